package io.c2crelay.common.cli;

import io.c2crelay.common.auth.SharedKey;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds the key in the argument, a file or the environment, and generates keys. */
public final class KeySources {
  private static final Logger log = LoggerFactory.getLogger(KeySources.class);

  /** The environment variable of the key. */
  public static final String ENVIRONMENT = "C2C_KEY";

  private static final int MAX_LINE_BYTES = 4096;
  private static final int GENERATED_BYTES = 24;

  /** The permission bits for reading by the group and others. */
  private static final int GROUP_OR_OTHERS_READ = 0044;

  private KeySources() {}

  /**
   * Returns the key.
   *
   * @return null if no source has a key
   * @throws IllegalArgumentException if several sources have one, or the key is empty or cannot be
   *     decoded
   * @throws StartupException if the file cannot be read
   */
  public static @Nullable SharedKey key(
      @Nullable String argument, @Nullable String file, Map<String, String> env)
      throws StartupException {
    String variable = env.get(ENVIRONMENT);
    int sources = (argument == null ? 0 : 1) + (file == null ? 0 : 1) + (variable == null ? 0 : 1);
    if (sources > 1) {
      throw new IllegalArgumentException(
          "give the key once: as KEY, with --key-file FILE, or in " + ENVIRONMENT);
    }
    if (argument != null) {
      return nonEmpty("KEY", argument);
    }
    if (variable != null) {
      if (variable.indexOf('\uFFFD') >= 0) {
        throw new IllegalArgumentException(
            ENVIRONMENT
                + " cannot be decoded in this locale; put the key in a file and use --key-file");
      }
      return nonEmpty(ENVIRONMENT, variable);
    }
    return file == null
        ? null
        : nonEmpty("the first line of the file given with --key-file", firstLine(file));
  }

  /**
   * Generates a key of 32 URL-safe characters (192 random bits) that does not start with a dash.
   */
  public static String generate() {
    SecureRandom random = new SecureRandom();
    byte[] bytes = new byte[GENERATED_BYTES];
    String key;
    do {
      random.nextBytes(bytes);
      key = Base64.getUrlEncoder().encodeToString(bytes);
    } while (key.startsWith("-"));
    Arrays.fill(bytes, (byte) 0);
    return key;
  }

  private static SharedKey nonEmpty(String source, String key) {
    if (key.trim().isEmpty()) {
      throw new IllegalArgumentException(source + " must not be empty");
    }
    return SharedKey.of(key);
  }

  static String firstLine(String file) throws StartupException {
    byte[] bytes = new byte[MAX_LINE_BYTES];
    try (InputStream in = Files.newInputStream(Paths.get(file))) {
      warnIfReadableByOthers(Paths.get(file));
      int length = readLine(in, bytes);
      CharBuffer chars =
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, 0, length));
      try {
        String line = chars.toString();
        return line.startsWith("\uFEFF") ? line.substring(1) : line; // byte order mark
      } finally {
        Arrays.fill(chars.array(), '\0');
      }
    } catch (NoSuchFileException e) {
      throw new StartupException("the file given with --key-file does not exist", e);
    } catch (AccessDeniedException e) {
      throw new StartupException("the file given with --key-file is not readable by this user", e);
    } catch (CharacterCodingException e) {
      throw new StartupException(
          "the first line of the file given with --key-file is not UTF-8", e);
    } catch (InvalidPathException e) {
      throw new StartupException("the file given with --key-file has an invalid path", e);
    } catch (IOException e) {
      throw new StartupException("the file given with --key-file cannot be read", e);
    } finally {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  private static void warnIfReadableByOthers(Path file) throws IOException {
    int mode;
    try {
      mode = (Integer) Files.getAttribute(file, "unix:mode") & 0777;
    } catch (UnsupportedOperationException | IllegalArgumentException e) {
      return; // no Unix file modes
    }
    if (Files.isRegularFile(file) && (mode & GROUP_OR_OTHERS_READ) != 0) {
      log.warn(
          "key.file_readable mode={} note=\"other users can read the key file; run chmod 600\"",
          String.format(Locale.ROOT, "%04o", mode));
    }
  }

  /**
   * Reads bytes into {@code line} up to CR, LF or the end of the file.
   *
   * @return the length of the line
   */
  private static int readLine(InputStream in, byte[] line) throws IOException, StartupException {
    for (int length = 0; length < line.length; length++) {
      int b = in.read();
      if (b < 0 || b == '\n' || b == '\r') {
        return length;
      }
      line[length] = (byte) b;
    }
    throw new StartupException("the first line of the file given with --key-file is too long");
  }
}
