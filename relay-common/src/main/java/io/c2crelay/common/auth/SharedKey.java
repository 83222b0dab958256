package io.c2crelay.common.auth;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;

/**
 * The key that the relay and its agents share, as its owner typed it: trimmed, in Unicode's normal
 * form C. Never printed.
 */
public final class SharedKey {
  /** A key shorter than this, in characters, is within reach of guessing. */
  public static final int SAFE_LENGTH = 20;

  /** Rounds of PBKDF2-HMAC-SHA256: OWASP's figure of 2023. */
  private static final int ROUNDS = 600_000;

  private static final int STRETCHED_LENGTH = 32;
  private static final String SALT = "c2crelay/1 key";

  private final char[] characters;

  private SharedKey(char[] characters) {
    this.characters = characters;
  }

  /**
   * The key of a text.
   *
   * @throws IllegalArgumentException if nothing is left of it once trimmed
   */
  public static SharedKey of(String text) {
    String key = Normalizer.normalize(text.trim(), Normalizer.Form.NFC);
    if (key.isEmpty()) {
      throw new IllegalArgumentException("the key is empty");
    }
    return new SharedKey(key.toCharArray());
  }

  /** Whether the key is long enough that guesses against a recorded handshake are hopeless. */
  public boolean isLong() {
    return characters.length >= SAFE_LENGTH;
  }

  /**
   * Stretches the key (RFC 8018 PBKDF2) on a thread of its own, since it takes up to seconds on a
   * small machine. Call once.
   *
   * @return completes on that thread
   */
  public CompletableFuture<MutualAuth> stretch() {
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
            "key-stretch");
    thread.setDaemon(true);
    thread.start();
    return result;
  }

  private byte[] pbkdf2() throws GeneralSecurityException {
    byte[] salt = SALT.getBytes(StandardCharsets.US_ASCII);
    PBEKeySpec spec = new PBEKeySpec(characters, salt, ROUNDS, STRETCHED_LENGTH * Byte.SIZE);
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
