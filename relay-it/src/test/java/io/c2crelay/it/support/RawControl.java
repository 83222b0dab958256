package io.c2crelay.it.support;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;

/** The agent's side of a control connection, step by step, so that a test can alter each step. */
public final class RawControl implements AutoCloseable {

  private final RawConnection connection;
  private final byte[] key;
  private final Deque<Dial> dials = new ArrayDeque<>();
  private byte[] challenge = new byte[0];
  private byte[] transcript = new byte[0];
  private byte[] relayProof = new byte[0];
  private int dataMode = -1;
  private long authNanos;

  RawControl(RawConnection connection, byte[] key) {
    this.connection = connection;
    this.key = key;
  }

  /** One entry of a DIAL. */
  public record Dial(byte[] token, byte[] ack) {}

  public RawConnection connection() {
    return connection;
  }

  public byte[] challenge() {
    return challenge.clone();
  }

  /** The proof of WELCOME. */
  public byte[] relayProof() {
    return relayProof.clone();
  }

  /** The time since AUTH was sent. */
  public Duration sinceAuth() {
    return Duration.ofNanos(System.nanoTime() - authNanos);
  }

  /** The data mode of WELCOME: 0 is TLS, 1 is plain. */
  public int dataMode() {
    return dataMode;
  }

  /** Reads CHALLENGE: version u8, nonceR 32. */
  public RawControl readChallenge() {
    challenge = connection.expect(Wire.CHALLENGE).payload();
    if (challenge.length != 33) {
      throw new AssertionError("CHALLENGE has " + challenge.length + " bytes, not 33");
    }
    return this;
  }

  /** The AUTH payload before the proof, for the default service. */
  public static byte[] claim(byte[] instance, long epoch, String label) {
    return claim(instance, epoch, "", label);
  }

  /** The AUTH payload before the proof: nonceA 32, instance 16, epoch u64, service, label. */
  public static byte[] claim(byte[] instance, long epoch, String service, String label) {
    byte[] name = service.getBytes(StandardCharsets.UTF_8);
    byte[] text = label.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(32 + 16 + 8 + 1 + name.length + 1 + text.length)
        .put(Wire.random(32))
        .put(instance)
        .putLong(epoch)
        .put((byte) name.length)
        .put(name)
        .put((byte) text.length)
        .put(text)
        .array();
  }

  /** The valid proof for this AUTH payload on this connection. */
  public byte[] proof(byte[] claim) {
    transcript =
        Wire.transcript(connection.preamble(), connection.channelBinding(), challenge, claim);
    return Wire.proofOfAgent(key, transcript);
  }

  /** A proof with this key over the given values instead of this connection's. */
  public byte[] proof(byte[] preamble, byte[] channelBinding, byte[] otherChallenge, byte[] claim) {
    return Wire.proofOfAgent(key, Wire.transcript(preamble, channelBinding, otherChallenge, claim));
  }

  /** Sends a valid AUTH. */
  public RawControl sendAuth(byte[] claim) {
    return sendAuth(claim, proof(claim));
  }

  public RawControl sendAuth(byte[] claim, byte[] proof) {
    authNanos = System.nanoTime();
    connection.send(Wire.AUTH, claim, proof);
    return this;
  }

  /** Reads WELCOME: proofR 32, dataMode u8; fails unless the proof is valid. */
  public RawControl readWelcome() {
    byte[] welcome = connection.expect(Wire.WELCOME).payload();
    if (welcome.length != 33) {
      throw new AssertionError("WELCOME has " + welcome.length + " bytes, not 33");
    }
    byte[] rest = Arrays.copyOfRange(welcome, 32, welcome.length);
    byte[] expected = Wire.proofOfRelay(key, transcript, rest);
    if (!MessageDigest.isEqual(expected, Arrays.copyOf(welcome, 32))) {
      throw new AssertionError("invalid proof from the relay");
    }
    relayProof = Arrays.copyOf(welcome, 32);
    dataMode = rest[0];
    return this;
  }

  /** The next entry of the DIAL frames received. */
  public Dial nextDial() {
    while (dials.isEmpty()) {
      byte[] payload = connection.expect(Wire.DIAL).payload();
      if (payload.length == 0 || payload.length % 32 != 0) {
        throw new AssertionError("DIAL has " + payload.length + " bytes, not n x 32");
      }
      for (int i = 0; i < payload.length; i += 32) {
        dials.add(
            new Dial(
                Arrays.copyOfRange(payload, i, i + 16),
                Arrays.copyOfRange(payload, i + 16, i + 32)));
      }
    }
    return dials.remove();
  }

  @Override
  public void close() {
    connection.close();
  }
}
