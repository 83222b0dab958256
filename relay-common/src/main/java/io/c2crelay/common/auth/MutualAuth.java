package io.c2crelay.common.auth;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.Preamble;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The proofs of docs/protocol.md section 3: each end shows that it has the key, bound to this
 * handshake and to the relay's certificate. Pure: no I/O, no state but the key; safe on any thread.
 * Comparisons take constant time.
 */
public final class MutualAuth {
  private static final byte[] AGENT = "c2crelay/1 agent".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] RELAY = "c2crelay/1 relay".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] TARGET = "c2crelay/1 target".getBytes(StandardCharsets.US_ASCII);

  private final SecretKeySpec key;

  private MutualAuth(SecretKeySpec key) {
    this.key = key;
  }

  /** Proofs by a stretched key, 32 bytes; they are cleared. */
  static MutualAuth of(byte[] stretchedKey) {
    SecretKeySpec key = new SecretKeySpec(stretchedKey, "HmacSHA256");
    Arrays.fill(stretchedKey, (byte) 0);
    return new MutualAuth(key);
  }

  /** What both ends have seen of one handshake; both proofs cover it. */
  public static final class Transcript {
    private final byte[] hash;

    private Transcript(byte[] hash) {
      this.hash = hash;
    }

    /**
     * The transcript of a handshake.
     *
     * @param binding SHA-256 of the relay's certificate, as this end sees it
     */
    public static Transcript of(
        Preamble preamble, byte[] binding, Frame.Challenge challenge, Frame.Auth auth) {
      MessageDigest sha256 = sha256();
      update(sha256, preamble.toBytes());
      update(sha256, binding);
      update(sha256, payload(challenge, challenge.payloadLength()));
      update(sha256, payload(auth, auth.unprovenLength()));
      return new Transcript(sha256.digest());
    }

    private static void update(MessageDigest digest, byte[] part) {
      digest.update(lengthOf(part));
      digest.update(part);
    }
  }

  /** The AUTH frame with the agent's proof. */
  public Frame.Auth prove(Transcript transcript, Frame.Auth auth) {
    return auth.withProof(agentProof(transcript));
  }

  /** Whether an AUTH frame carries the proof that its transcript asks for. */
  public boolean holds(Transcript transcript, Frame.Auth auth) {
    return MessageDigest.isEqual(agentProof(transcript), auth.proof());
  }

  /** The WELCOME frame with the relay's proof. */
  public Frame.Welcome welcome(Transcript transcript, int dataMode) {
    return Frame.Welcome.of(relayProof(transcript, dataMode), dataMode);
  }

  /** Whether a WELCOME frame carries the proof that its transcript asks for. */
  public boolean holds(Transcript transcript, Frame.Welcome welcome) {
    return MessageDigest.isEqual(relayProof(transcript, welcome.dataMode()), welcome.proof());
  }

  /** What tells two targets apart, and no more: HMAC-SHA256 of the text, 32 bytes. */
  public byte[] digestOfTarget(String target) {
    return hmac(TARGET, target.getBytes(StandardCharsets.UTF_8));
  }

  private byte[] agentProof(Transcript transcript) {
    return hmac(AGENT, transcript.hash);
  }

  private byte[] relayProof(Transcript transcript, int dataMode) {
    byte[] rest = {(byte) dataMode};
    return hmac(RELAY, transcript.hash, lengthOf(rest), rest);
  }

  private byte[] hmac(byte[]... parts) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(key);
      for (byte[] part : parts) {
        mac.update(part);
      }
      return mac.doFinal();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e); // every Java platform has HmacSHA256
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java platform has SHA-256
    }
  }

  private static byte[] payload(Frame frame, int length) {
    ByteBuf out = Unpooled.buffer(frame.payloadLength());
    frame.writePayload(out);
    return Arrays.copyOf(out.array(), length);
  }

  private static byte[] lengthOf(byte[] part) {
    int length = part.length;
    return new byte[] {
      (byte) (length >>> 24), (byte) (length >>> 16), (byte) (length >>> 8), (byte) length
    };
  }

  @Override
  public String toString() {
    return "MutualAuth";
  }
}
