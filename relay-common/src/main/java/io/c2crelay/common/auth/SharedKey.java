package io.c2crelay.common.auth;

import static java.util.Objects.requireNonNull;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
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
  private static final Executor DERIVATION = newDerivationThread();

  private final char[] characters;
  private final String name;

  private SharedKey(char[] characters, String name) {
    this.characters = characters;
    this.name = name;
  }

  /**
   * Normalises a key.
   *
   * @throws IllegalArgumentException if it is empty after trimming
   */
  public static SharedKey of(String text) {
    return of(text, "");
  }

  /**
   * Normalises a key with a name for the log.
   *
   * @throws IllegalArgumentException if the key is empty after trimming
   */
  public static SharedKey of(String text, String name) {
    String key = Normalizer.normalize(text.trim(), Normalizer.Form.NFC);
    if (key.isEmpty()) {
      throw new IllegalArgumentException("the key is empty");
    }
    return new SharedKey(key.toCharArray(), requireNonNull(name, "name"));
  }

  /** The name of the key for the log; empty if it has none. */
  public String name() {
    return name;
  }

  /** Whether the key has at least {@link #MIN_STRONG_LENGTH} characters. */
  public boolean isStrong() {
    return characters.length >= MIN_STRONG_LENGTH;
  }

  /**
   * Derives the MAC key by PBKDF2 (RFC 8018) on the process's thread for that, since this can take
   * a second on a small machine; keys are derived in the order of the calls. Call once: it erases
   * the characters of this key.
   *
   * @return completes on that thread
   */
  public CompletableFuture<MutualAuth> deriveKey() {
    return CompletableFuture.supplyAsync(() -> MutualAuth.of(pbkdf2()), DERIVATION);
  }

  /** One thread, which ends when it has nothing to do. */
  private static Executor newDerivationThread() {
    ThreadPoolExecutor executor =
        new ThreadPoolExecutor(
            1,
            1,
            1,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            new DefaultThreadFactory("key-derivation", true));
    executor.allowCoreThreadTimeOut(true);
    return executor;
  }

  private byte[] pbkdf2() {
    byte[] salt = SALT.getBytes(StandardCharsets.US_ASCII);
    PBEKeySpec spec = new PBEKeySpec(characters, salt, ITERATIONS, DERIVED_KEY_BYTES * Byte.SIZE);
    try {
      return SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256").generateSecret(spec).getEncoded();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
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
