package io.c2crelay.common.cli;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.auth.SharedKey;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The keys given to a command, and the file that they come from, if any. */
public final class KeySource {
  /** The environment variable of the key. */
  public static final String ENVIRONMENT = "C2C_KEY";

  private static final int GENERATED_BYTES = 24;

  private final List<SharedKey> keys;
  private final @Nullable KeyFile file;

  private KeySource(List<SharedKey> keys, @Nullable KeyFile file) {
    this.keys = keys;
    this.file = file;
  }

  /** Returns a source with one fixed key. */
  public static KeySource of(SharedKey key) {
    return new KeySource(Collections.singletonList(key), null);
  }

  /**
   * Reads the keys of a file.
   *
   * @param file its path
   * @param description names the file in messages, because its path may be a misplaced key
   * @throws StartupException if the file cannot be read or has no keys
   */
  public static KeySource ofFile(String file, String description) throws StartupException {
    KeyFile keyFile = KeyFile.of(file, description);
    return new KeySource(keyFile.read(), keyFile);
  }

  /**
   * Finds the key in the argument, the file given with {@code --key-file}, or the environment.
   *
   * @return null if none of them has a key
   * @throws IllegalArgumentException if several have one, or the key is empty or cannot be decoded
   * @throws StartupException if the file cannot be read or has no keys
   */
  public static @Nullable KeySource find(
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
    return file == null ? null : ofFile(file, "the file given with --key-file");
  }

  private static KeySource nonEmpty(String source, String key) {
    if (key.trim().isEmpty()) {
      throw new IllegalArgumentException(source + " must not be empty");
    }
    if (KeyFile.hasComment(key)) {
      throw new IllegalArgumentException(
          source + " must not begin with #, nor have a space before #: a key file cannot hold it");
    }
    return of(SharedKey.of(key));
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

  /** The keys as first read; at least one. */
  public List<SharedKey> keys() {
    return keys;
  }

  /** The first key, the only one that an agent uses. */
  public SharedKey first() {
    return requireNonNull(keys.get(0));
  }

  /** The file of the keys; null if they are not from a file. */
  public @Nullable KeyFile file() {
    return file;
  }
}
