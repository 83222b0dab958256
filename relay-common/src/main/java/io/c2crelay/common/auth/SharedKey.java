package io.c2crelay.common.auth;

import static java.util.Objects.requireNonNull;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import javax.crypto.Mac;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * The key shared by the relay and its agents: trimmed and in Unicode NFC. Keys with the same
 * characters are equal, regardless of their names, even after erasure. {@code toString} does not
 * reveal the key.
 */
public final class SharedKey {
  /** Keys with fewer characters are at risk of offline guessing. */
  public static final int MIN_STRONG_LENGTH = 20;

  /** Iterations of PBKDF2-HMAC-SHA256, as OWASP recommended in 2023. */
  private static final int ITERATIONS = 600_000;

  private static final int DERIVED_KEY_BYTES = 32;
  private static final String SALT = "c2crelay/1 key";
  private static final Executor DERIVATION = newDerivationThread();

  /** Makes fingerprints useless outside this process. */
  private static final SecretKeySpec FINGERPRINT_KEY = newFingerprintKey();

  private volatile boolean erased;
  private final char[] characters;
  private final ByteBuffer fingerprint;
  private final String name;

  private SharedKey(String key, String name) {
    characters = key.toCharArray();
    fingerprint = ByteBuffer.wrap(hmac(key.getBytes(StandardCharsets.UTF_8)));
    this.name = name;
  }

  private static SecretKeySpec newFingerprintKey() {
    byte[] secret = new byte[32];
    new SecureRandom().nextBytes(secret);
    return new SecretKeySpec(secret, "HmacSHA256");
  }

  private static byte[] hmac(byte[] message) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(FINGERPRINT_KEY);
      return mac.doFinal(message);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e); // every Java platform has HmacSHA256
    }
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
    return new SharedKey(key, requireNonNull(name, "name"));
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
   * Derives the MAC key by PBKDF2 (RFC 8018) on the process's key derivation thread, because it can
   * take a second on a small machine. Keys are derived in the order of the calls. Call once: it
   * erases the characters of this key.
   *
   * @return completes on that thread
   * @throws IllegalStateException if the characters are erased
   */
  public CompletableFuture<MutualAuth> deriveKey() {
    if (erased) {
      throw new IllegalStateException("the key is erased");
    }
    return CompletableFuture.supplyAsync(() -> MutualAuth.of(pbkdf2()), DERIVATION);
  }

  /** Creates an executor with one thread, which ends when idle. */
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
      erase();
    }
  }

  /** Erases the characters of a key that is no longer needed. */
  public void erase() {
    erased = true;
    Arrays.fill(characters, '\0');
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof SharedKey && ((SharedKey) other).fingerprint.equals(fingerprint);
  }

  @Override
  public int hashCode() {
    return fingerprint.hashCode();
  }

  @Override
  public String toString() {
    return "SharedKey(***)";
  }
}
