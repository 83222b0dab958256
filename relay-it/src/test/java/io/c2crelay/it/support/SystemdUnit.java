package io.c2crelay.it.support;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The JVM flags of a systemd unit file. */
public final class SystemdUnit {

  private static final Pattern START = Pattern.compile("(?m)^ExecStart=\\S*/java\\s(.*)\\s-jar\\s");

  private final Path file;
  private final List<String> flags;

  private SystemdUnit(Path file, List<String> flags) {
    this.file = file;
    this.flags = flags;
  }

  /** The unit of {@code server2server} or {@code client2client}. */
  public static SystemdUnit of(String module) {
    Path file = Paths.get("..", module, "src", "main", "systemd", module + ".service");
    try {
      Matcher start = START.matcher(Files.readString(file).replace("\\\n", " "));
      if (!start.find()) {
        throw new AssertionError("no ExecStart=…/java … -jar in " + file);
      }
      return new SystemdUnit(
          file,
          Stream.of(start.group(1).trim().split("\\s+"))
              .filter(flag -> !flag.startsWith("$")) // set by the operator, empty by default
              .toList());
    } catch (IOException e) {
      throw new AssertionError("cannot read " + file, e);
    }
  }

  public List<String> jvmFlags() {
    return flags;
  }

  /** The value of a flag such as {@code -Xmx256m}, in megabytes. */
  public long megabytes(String flag) {
    return flags.stream()
        .filter(f -> f.matches(Pattern.quote(flag) + "\\d+m"))
        .map(f -> f.substring(flag.length(), f.length() - 1))
        .mapToLong(Long::parseLong)
        .findFirst()
        .orElseThrow(() -> new AssertionError("no " + flag + "…m in " + file));
  }
}
