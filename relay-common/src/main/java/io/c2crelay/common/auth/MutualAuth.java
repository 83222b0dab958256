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
 * Mutual authentication by a shared key (docs/protocol.md section 3): HMAC-SHA256 proofs over the
 * transcript of a handshake, which includes the relay's certificate. Stateless apart from the key
 * and thread-safe. Proofs are compared in constant time.
 */
public final class MutualAuth {
  private static final byte[] AGENT_LABEL = "c2crelay/1 agent".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] RELAY_LABEL = "c2crelay/1 relay".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] TARGET_LABEL =
      "c2crelay/1 target".getBytes(StandardCharsets.US_ASCII);

  private final SecretKeySpec key;

  private MutualAuth(SecretKeySpec key) {
    this.key = key;
  }

  /** Takes a derived key of 32 bytes and clears the array. */
  static MutualAuth of(byte[] derivedKey) {
    SecretKeySpec key = new SecretKeySpec(derivedKey, "HmacSHA256");
    Arrays.fill(derivedKey, (byte) 0);
    return new MutualAuth(key);
  }

  /** The hash of a handshake as one end saw it: the input of both proofs. */
  public static final class Transcript {
    private final byte[] hash;

    private Transcript(byte[] hash) {
      this.hash = hash;
    }

    /**
     * Hashes the parts of a handshake.
     *
     * @param binding SHA-256 of the relay's certificate, as this end sees it
     */
    public static Transcript of(
        Preamble preamble, byte[] binding, Frame.Challenge challenge, Frame.Auth auth) {
      MessageDigest sha256 = sha256();
      update(sha256, preamble.toBytes());
      update(sha256, binding);
      update(sha256, payload(challenge, challenge.payloadLength()));
      update(sha256, payload(auth, auth.lengthBeforeProof()));
      return new Transcript(sha256.digest());
    }

    private static void update(MessageDigest digest, byte[] part) {
      digest.update(lengthPrefix(part));
      digest.update(part);
    }
  }

  /** Returns {@code auth} with the agent's proof. */
  public Frame.Auth prove(Transcript transcript, Frame.Auth auth) {
    return auth.withProof(agentProof(transcript));
  }

  /** Returns whether {@code auth} carries the agent's proof for {@code transcript}. */
  public boolean verify(Transcript transcript, Frame.Auth auth) {
    return MessageDigest.isEqual(agentProof(transcript), auth.proof());
  }

  /** Returns a WELCOME with the relay's proof. */
  public Frame.Welcome welcome(Transcript transcript, int dataMode) {
    return Frame.Welcome.of(relayProof(transcript, dataMode), dataMode);
  }

  /** Returns whether {@code welcome} carries the relay's proof for {@code transcript}. */
  public boolean verify(Transcript transcript, Frame.Welcome welcome) {
    return MessageDigest.isEqual(relayProof(transcript, welcome.dataMode()), welcome.proof());
  }

  /** Returns HMAC-SHA256 of the target's text, 32 bytes. Equal targets have equal digests. */
  public byte[] digestOfTarget(String target) {
    return hmac(TARGET_LABEL, target.getBytes(StandardCharsets.UTF_8));
  }

  private byte[] agentProof(Transcript transcript) {
    return hmac(AGENT_LABEL, transcript.hash);
  }

  private byte[] relayProof(Transcript transcript, int dataMode) {
    byte[] afterProof = {(byte) dataMode};
    return hmac(RELAY_LABEL, transcript.hash, lengthPrefix(afterProof), afterProof);
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

  private static byte[] lengthPrefix(byte[] part) {
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
