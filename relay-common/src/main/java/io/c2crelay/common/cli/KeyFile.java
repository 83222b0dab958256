package io.c2crelay.common.cli;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.logging.LogText;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A file of keys in UTF-8, one a line. A line that begins with {@code #} is a comment; {@code #}
 * behind a key and a space begins the key's name. Empty lines do not count.
 */
public final class KeyFile {
  private static final Logger log = LoggerFactory.getLogger(KeyFile.class);

  /** Each costs up to a second of a small machine at start. */
  private static final int MAX_KEYS = 100;

  private static final int MAX_BYTES = 64 * 1024;

  /** The permission bits for reading by the group and others. */
  private static final int GROUP_OR_OTHERS_READ = 0044;

  /** Behind a key: begins its name. */
  private static final Pattern COMMENT = Pattern.compile("\\s+#\\s*");

  private final String file;
  private final String description;

  private KeyFile(String file, String description) {
    this.file = file;
    this.description = description;
  }

  /**
   * A file that is not read yet.
   *
   * @param description what messages call the file: its path may be a misplaced key
   */
  public static KeyFile of(String file, String description) {
    return new KeyFile(requireNonNull(file, "file"), requireNonNull(description, "description"));
  }

  /**
   * Reads the file.
   *
   * @return at least one key, in the order of the file
   * @throws StartupException if the file cannot be read or has no keys
   */
  public List<SharedKey> read() throws StartupException {
    byte[] bytes = new byte[MAX_BYTES + 1];
    try (InputStream in = Files.newInputStream(Paths.get(file))) {
      warnIfReadableByOthers(Paths.get(file));
      int length = readFully(in, bytes);
      if (length > MAX_BYTES) {
        throw failure("is larger than " + Sizes.format(MAX_BYTES), null);
      }
      CharBuffer chars =
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, 0, length));
      try {
        return parse(chars.toString());
      } finally {
        Arrays.fill(chars.array(), '\0');
      }
    } catch (NoSuchFileException e) {
      throw failure("does not exist", e);
    } catch (AccessDeniedException e) {
      throw failure("is not readable by this user", e);
    } catch (CharacterCodingException e) {
      throw failure("is not UTF-8", e);
    } catch (InvalidPathException e) {
      throw failure("has an invalid path", e);
    } catch (IOException e) {
      throw failure("cannot be read", e);
    } finally {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  private static int readFully(InputStream in, byte[] bytes) throws IOException {
    int length = 0;
    int read = 0;
    while (read >= 0 && length < bytes.length) {
      length += read;
      read = in.read(bytes, length, bytes.length - length);
    }
    return length;
  }

  private List<SharedKey> parse(String text) throws StartupException {
    List<SharedKey> keys = new ArrayList<>();
    String withoutMark = text.startsWith("\uFEFF") ? text.substring(1) : text;
    BufferedReader lines = new BufferedReader(new StringReader(withoutMark));
    for (String line : lines.lines().map(String::trim).collect(Collectors.toList())) {
      if (!line.isEmpty() && !line.startsWith("#")) {
        Matcher comment = COMMENT.matcher(line);
        boolean named = comment.find();
        keys.add(
            named
                ? SharedKey.of(line.substring(0, comment.start()), line.substring(comment.end()))
                : SharedKey.of(line));
      }
    }
    if (keys.isEmpty()) {
      throw failure("has no key", null);
    }
    if (keys.size() > MAX_KEYS) {
      throw failure("has more than " + MAX_KEYS + " keys", null);
    }
    return keys;
  }

  private StartupException failure(String what, @Nullable Throwable cause) {
    return new StartupException(description + " " + what, cause);
  }

  /** Whether a file would take the text, or a part of it, for a comment. */
  static boolean hasComment(String key) {
    return key.trim().startsWith("#") || COMMENT.matcher(key).find();
  }

  private void warnIfReadableByOthers(Path path) throws IOException {
    int mode;
    try {
      mode = (Integer) Files.getAttribute(path, "unix:mode") & 0777;
    } catch (UnsupportedOperationException | IllegalArgumentException e) {
      return; // no Unix file modes
    }
    if (Files.isRegularFile(path) && (mode & GROUP_OR_OTHERS_READ) != 0) {
      log.warn(
          "key.file_readable file={} mode={} note=\"other users can read it; run chmod 600\"",
          LogText.value(description),
          String.format(Locale.ROOT, "%04o", mode));
    }
  }
}
