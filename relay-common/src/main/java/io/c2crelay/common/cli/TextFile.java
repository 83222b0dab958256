package io.c2crelay.common.cli;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.logging.LogText;
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
import java.util.Arrays;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A small text file in UTF-8, which may hold secrets. */
public final class TextFile {
  private static final Logger log = LoggerFactory.getLogger(TextFile.class);

  private static final int MAX_BYTES = 64 * 1024;

  /** The permission bits for reading by the group and others. */
  private static final int GROUP_OR_OTHERS_READ = 0044;

  private final String file;
  private final String description;
  private final boolean secret;

  private TextFile(String file, String description, boolean secret) {
    this.file = requireNonNull(file, "file");
    this.description = requireNonNull(description, "description");
    this.secret = secret;
  }

  /**
   * Describes a file with keys or a password without reading it.
   *
   * @param description names the file in messages, because its path may be a misplaced secret
   */
  public static TextFile secret(String file, String description) {
    return new TextFile(file, description, true);
  }

  /** Describes a file that others may read, without reading it. */
  static TextFile plain(String file, String description) {
    return new TextFile(file, description, false);
  }

  /**
   * Reads the first line, without white space around it.
   *
   * @throws StartupException if the file cannot be read or the line is empty
   */
  public String firstLine() throws StartupException {
    String line = text().trim().split("\\R", 2)[0].trim();
    if (line.isEmpty()) {
      throw failure("is empty", null);
    }
    return line;
  }

  /**
   * Reads the file, without a byte order mark. Warns if it is secret and others can read it.
   *
   * @throws StartupException if the file cannot be read
   */
  String text() throws StartupException {
    byte[] bytes = new byte[MAX_BYTES + 1];
    try (InputStream in = Files.newInputStream(Paths.get(file))) {
      if (secret) {
        warnIfReadableByOthers(Paths.get(file));
      }
      int length = readFully(in, bytes);
      if (length > MAX_BYTES) {
        throw failure("is larger than " + Sizes.format(MAX_BYTES), null);
      }
      CharBuffer chars =
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, 0, length));
      try {
        String text = chars.toString();
        return text.startsWith("\uFEFF") ? text.substring(1) : text;
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

  StartupException failure(String what, @Nullable Throwable cause) {
    return new StartupException(description + " " + what, cause);
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
