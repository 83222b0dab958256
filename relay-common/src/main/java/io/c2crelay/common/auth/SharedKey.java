package io.c2crelay.common.auth;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;

/**
 * The key shared by the relay and its agents: trimmed and in Unicode NFC. {@code toString} does not
 * reveal it.
 */
public final class SharedKey {
  /** Shorter keys, in characters, are at risk of offline guessing. */
  public static final int MIN_STRONG_LENGTH = 20;

  /** Iterations of PBKDF2-HMAC-SHA256, as OWASP recommended in 2023. */
  private static final int ITERATIONS = 600_000;

  private static final int DERIVED_KEY_BYTES = 32;
  private static final String SALT = "c2crelay/1 key";

  private final char[] characters;

  private SharedKey(char[] characters) {
    this.characters = characters;
  }

  /**
   * Normalises a key.
   *
   * @throws IllegalArgumentException if it is empty after trimming
   */
  public static SharedKey of(String text) {
    String key = Normalizer.normalize(text.trim(), Normalizer.Form.NFC);
    if (key.isEmpty()) {
      throw new IllegalArgumentException("the key is empty");
    }
    return new SharedKey(key.toCharArray());
  }

  /** Whether the key has at least {@link #MIN_STRONG_LENGTH} characters. */
  public boolean isLong() {
    return characters.length >= MIN_STRONG_LENGTH;
  }

  /**
   * Derives the MAC key by PBKDF2 (RFC 8018) on a separate thread, since this can take seconds on a
   * small machine. Call once: it erases the characters of this key.
   *
   * @return completes on that thread
   */
  public CompletableFuture<MutualAuth> deriveKey() {
    CompletableFuture<MutualAuth> result = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                result.complete(MutualAuth.of(pbkdf2()));
              } catch (GeneralSecurityException | RuntimeException e) {
                result.completeExceptionally(e);
              }
            },
            "key-derivation");
    thread.setDaemon(true);
    thread.start();
    return result;
  }

  private byte[] pbkdf2() throws GeneralSecurityException {
    byte[] salt = SALT.getBytes(StandardCharsets.US_ASCII);
    PBEKeySpec spec = new PBEKeySpec(characters, salt, ITERATIONS, DERIVED_KEY_BYTES * Byte.SIZE);
    try {
      return SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256").generateSecret(spec).getEncoded();
    } finally {
      spec.clearPassword();
      Arrays.fill(characters, '\0');
    }
  }

  @Override
  public String toString() {
    return "SharedKey(***)";
  }
}
