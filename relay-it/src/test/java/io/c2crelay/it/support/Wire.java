package io.c2crelay.it.support;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.crypto.Mac;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;

/**
 * An independent implementation of docs/protocol.md on the plain JDK. It shares no code with the
 * product, so it cannot share its defects.
 */
public final class Wire {

  public static final int CHALLENGE = 0x01;
  public static final int AUTH = 0x02;
  public static final int WELCOME = 0x03;
  public static final int DIAL = 0x04;
  public static final int DIAL_FAILED = 0x05;
  public static final int PING = 0x06;
  public static final int PONG = 0x07;
  public static final int GOAWAY = 0x08;
  public static final int CLAIM = 0x10;
  public static final int READY = 0x11;
  public static final int START = 0x12;
  public static final int STARTED = 0x13;
  public static final int FAILED = 0x14;
  public static final int DATA = 0x15;
  public static final int EOF = 0x16;
  public static final int RESET = 0x17;
  public static final int DONE = 0x18;

  public static final int KIND_CONTROL = 0;
  public static final int KIND_DATA = 1;
  public static final int KIND_PLAIN = 2;

  public static final int TARGET_REFUSED = 1;
  public static final int STALE_EPOCH = 12;
  public static final int DRAINING = 9;
  public static final byte USER_GONE = 6;
  public static final byte TARGET_GONE = 15;

  public static final int MAX_CONTROL_PAYLOAD = 4 * 1024;
  public static final int MAX_DATA_PAYLOAD = 16 * 1024 - 4;

  private static final byte[] MAGIC = {(byte) 0xC2, 0x43, 0x32, 0x43, 0x0D, 0x0A, 0x1A, 0x0A};
  private static final String SALT = "c2crelay/1 key";
  private static final int ITERATIONS = 600_000;
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final Map<String, byte[]> DERIVED_KEYS = new ConcurrentHashMap<>();

  private Wire() {}

  public static byte[] magic() {
    return MAGIC.clone();
  }

  public static byte[] preamble(int kind) {
    return preamble(1, 1, kind, 0);
  }

  public static byte[] preamble(int lowest, int highest, int kind, int flags) {
    return ByteBuffer.allocate(16)
        .put(MAGIC)
        .put((byte) lowest)
        .put((byte) highest)
        .put((byte) kind)
        .put((byte) flags)
        .array();
  }

  /** The version refusal of a relay that supports these versions. */
  public static byte[] refusal(int lowest, int highest) {
    return concat(MAGIC, new byte[] {(byte) lowest, (byte) highest, (byte) 0xFF});
  }

  /** The TLS 1.3 ClientHello of the JDK, in its record. */
  public static byte[] clientHello() {
    try {
      SSLEngine engine = SSLContext.getDefault().createSSLEngine("example.org", 443);
      engine.setUseClientMode(true);
      engine.setEnabledProtocols(new String[] {"TLSv1.3"});
      ByteBuffer out = ByteBuffer.allocate(engine.getSession().getPacketBufferSize());
      engine.wrap(ByteBuffer.allocate(0), out);
      return Arrays.copyOf(out.array(), out.position());
    } catch (GeneralSecurityException | SSLException e) {
      throw new AssertionError(e);
    }
  }

  public static byte[] random(int length) {
    byte[] bytes = new byte[length];
    RANDOM.nextBytes(bytes);
    return bytes;
  }

  /** Derives K from a key as configured. */
  static byte[] deriveKey(String key) {
    return DERIVED_KEYS.computeIfAbsent(
        key,
        k -> {
          String normal = Normalizer.normalize(k.trim(), Normalizer.Form.NFC);
          PBEKeySpec spec =
              new PBEKeySpec(
                  normal.toCharArray(), SALT.getBytes(StandardCharsets.US_ASCII), ITERATIONS, 256);
          try {
            return SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256")
                .generateSecret(spec)
                .getEncoded();
          } catch (GeneralSecurityException e) {
            throw new AssertionError(e);
          }
        });
  }

  /** The transcript hash T; {@code auth} is the AUTH payload before proofA. */
  static byte[] transcript(byte[] preamble, byte[] channelBinding, byte[] challenge, byte[] auth) {
    return Bulk.sha256().digest(concat(lv(preamble), lv(channelBinding), lv(challenge), lv(auth)));
  }

  static byte[] proofOfAgent(byte[] k, byte[] transcript) {
    return hmac(k, concat(ascii("c2crelay/1 agent"), transcript));
  }

  /** The value of field 1 of AUTH. */
  static byte[] digestOfTarget(byte[] k, String target) {
    return hmac(k, ("c2crelay/1 target" + target).getBytes(StandardCharsets.UTF_8));
  }

  /** Proof of the relay; {@code welcome} is the WELCOME payload after proofR. */
  static byte[] proofOfRelay(byte[] k, byte[] transcript, byte[] welcome) {
    return hmac(k, concat(ascii("c2crelay/1 relay"), transcript, lv(welcome)));
  }

  public static byte[] concat(byte[]... parts) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      all.writeBytes(part);
    }
    return all.toByteArray();
  }

  private static byte[] lv(byte[] bytes) {
    return concat(ByteBuffer.allocate(4).putInt(bytes.length).array(), bytes);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] hmac(byte[] k, byte[] message) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(k, "HmacSHA256"));
      return mac.doFinal(message);
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }
}
