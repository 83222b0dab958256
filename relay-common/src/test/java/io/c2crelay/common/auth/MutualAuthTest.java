package io.c2crelay.common.auth;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.auth.MutualAuth.Transcript;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Test vectors computed with Python's hmac and hashlib from docs/protocol.md section 3. */
class MutualAuthTest {
  private static final String PREAMBLE = "c24332430d0a1a0a0101000000000000";
  private static final String AGENT_PROOF =
      "8907bb0e59848cccb35eecfbcdedfb1ca27658f71f44c7ee75590cbaa2c82b1d";
  private static final String RELAY_PROOF =
      "241dee4fcce4584422babf9adaae4dc240ce7bf4775b64a53f784e6f82eb8e1f";

  private final MutualAuth auth = MutualAuth.of(bytesFrom(0x00, 32));
  private final Handshake handshake = Handshake.of(PREAMBLE, 7, "lab");

  /** The inputs of a transcript. */
  private record Handshake(
      byte[] preamble, byte[] binding, byte[] nonceR, int version, Frame.Auth answer) {

    static Handshake of(String preamble, long epoch, String label) {
      return new Handshake(
          ByteBufUtil.decodeHexDump(preamble),
          bytesFrom(0x40, 32),
          bytesFrom(0x60, 32),
          1,
          Frame.Auth.of(
              bytesFrom(0x80, 32),
              InstanceId.read(Unpooled.wrappedBuffer(bytesFrom(0xa0, 16))),
              epoch,
              label));
    }

    Transcript transcript() {
      Preamble read = Preamble.read(Unpooled.wrappedBuffer(preamble));
      return Transcript.of(read, binding, Frame.Challenge.of(version, nonceR), answer);
    }
  }

  @ParameterizedTest
  @CsvSource({
    PREAMBLE + ", 7, lab, 0, " + AGENT_PROOF + ", " + RELAY_PROOF,
    "c24332430d0a1a0a01030001deadbeef, -81985529216486896, büro, 1,"
        + "4951754f82507bf19c5601a3c773fedbde2f608b193f98b2bed2666b3166bb03,"
        + "8de91f0198744d286c463e5687bfb1649ea80f77152986e1da02c9868e8842ad",
    PREAMBLE
        + ", 1, '', 0,"
        + "fa6ba6b3d08bd8b0f7273157534b65df161072d7d9df1a2a95f1708c0f69c5fc,"
        + "7f74c20fef81b5919364961e96e3ee5ca5f438062b332f10248556ec11e84367"
  })
  void proofsMatchVectors(
      String preamble, long epoch, String label, int dataMode, String agent, String relay) {
    Handshake vector = Handshake.of(preamble, epoch, label);
    Frame.Auth proven = auth.prove(vector.transcript(), vector.answer());
    assertThat(ByteBufUtil.hexDump(proven.proof())).isEqualTo(agent);
    Frame.Welcome welcome = auth.welcome(vector.transcript(), dataMode);
    assertThat(ByteBufUtil.hexDump(welcome.proof())).isEqualTo(relay);
    assertThat(welcome.dataMode()).isEqualTo(dataMode);
    assertThat(auth.holds(vector.transcript(), proven)).isTrue();
    assertThat(auth.holds(vector.transcript(), welcome)).isTrue();
  }

  @Test
  void proveSetsOnlyTheProof() {
    Frame.Auth proven = auth.prove(handshake.transcript(), handshake.answer());
    assertThat(payload(proven).subList(0, proven.lengthBeforeProof()))
        .isEqualTo(payload(handshake.answer()).subList(0, proven.lengthBeforeProof()));
  }

  @Test
  void preambleBitFlipInvalidatesProofs() {
    List<Integer> unparsable = new ArrayList<>();
    for (int bit = 0; bit < 128; bit++) {
      byte[] changed = flip(handshake.preamble(), bit);
      if (Preamble.read(Unpooled.wrappedBuffer(changed)) == null) {
        unparsable.add(bit / 8);
      } else {
        assertProofsRejected(
            "preamble",
            bit,
            new Handshake(
                changed,
                handshake.binding(),
                handshake.nonceR(),
                handshake.version(),
                handshake.answer()));
      }
    }
    // an invalid version range or an unknown kind fails to parse
    assertThat(unparsable).isNotEmpty().containsOnly(8, 9, 10);
  }

  @Test
  void bindingBitFlipInvalidatesProofs() {
    for (int bit = 0; bit < 256; bit++) {
      byte[] changed = flip(handshake.binding(), bit);
      assertProofsRejected(
          "binding",
          bit,
          new Handshake(
              handshake.preamble(),
              changed,
              handshake.nonceR(),
              handshake.version(),
              handshake.answer()));
    }
  }

  @Test
  void challengeBitFlipInvalidatesProofs() {
    for (int bit = 0; bit < 256; bit++) {
      byte[] changed = flip(handshake.nonceR(), bit);
      assertProofsRejected(
          "nonce",
          bit,
          new Handshake(
              handshake.preamble(),
              handshake.binding(),
              changed,
              handshake.version(),
              handshake.answer()));
    }
    for (int bit = 0; bit < 8; bit++) {
      assertProofsRejected(
          "version",
          bit,
          new Handshake(
              handshake.preamble(),
              handshake.binding(),
              handshake.nonceR(),
              handshake.version() ^ 1 << bit,
              handshake.answer()));
    }
  }

  @Test
  void authChangeInvalidatesProofs() {
    byte[] nonce = bytesFrom(0x80, 32);
    byte[] instance = bytesFrom(0xa0, 16);
    for (int bit = 0; bit < 256; bit++) {
      assertProofsRejected("nonce", bit, withAuth(flip(nonce, bit), instance, 7, "lab"));
    }
    for (int bit = 0; bit < 128; bit++) {
      assertProofsRejected("instance", bit, withAuth(nonce, flip(instance, bit), 7, "lab"));
    }
    for (int bit = 0; bit < 64; bit++) {
      assertProofsRejected("epoch", bit, withAuth(nonce, instance, 7 ^ 1L << bit, "lab"));
    }
    for (String label : List.of("", "la", "lac", "Lab", "labb", "lab ")) {
      assertProofsRejected("label", 0, withAuth(nonce, instance, 7, label));
    }
  }

  @Test
  void proofBitFlipIsRejected() {
    Transcript transcript = handshake.transcript();
    Frame.Auth proven = auth.prove(transcript, handshake.answer());
    Frame.Welcome welcome = auth.welcome(transcript, 0);
    for (int bit = 0; bit < 256; bit++) {
      Frame.Auth forged = proven.withProof(flip(proven.proof(), bit));
      assertThat(auth.holds(transcript, forged)).as("proofA, bit %d", bit).isFalse();
      Frame.Welcome forgedWelcome = Frame.Welcome.of(flip(welcome.proof(), bit), 0);
      assertThat(auth.holds(transcript, forgedWelcome)).as("proofR, bit %d", bit).isFalse();
    }
  }

  @Test
  void dataModeChangeInvalidatesRelayProof() {
    Frame.Welcome welcome = auth.welcome(handshake.transcript(), 0);
    for (int mode = 1; mode < 256; mode++) {
      Frame.Welcome changed = Frame.Welcome.of(welcome.proof(), mode);
      assertThat(auth.holds(handshake.transcript(), changed)).as("mode %d", mode).isFalse();
    }
  }

  @Test
  void reflectedProofIsRejected() {
    Transcript transcript = handshake.transcript();
    Frame.Auth proven = auth.prove(transcript, handshake.answer());
    Frame.Welcome welcome = auth.welcome(transcript, 0);
    assertThat(auth.holds(transcript, Frame.Welcome.of(proven.proof(), 0))).isFalse();
    assertThat(auth.holds(transcript, handshake.answer().withProof(welcome.proof()))).isFalse();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 7, 128, 255})
  void proofOfOtherKeyIsRejected(int bit) {
    MutualAuth other = MutualAuth.of(flip(bytesFrom(0x00, 32), bit));
    Transcript transcript = handshake.transcript();
    assertThat(auth.holds(transcript, other.prove(transcript, handshake.answer()))).isFalse();
    assertThat(auth.holds(transcript, other.welcome(transcript, 0))).isFalse();
  }

  @Test
  void zeroProofIsRejected() {
    assertThat(auth.holds(handshake.transcript(), handshake.answer())).isFalse();
  }

  @Test
  void keyIsClearedAndNotPrinted() {
    byte[] key = bytesFrom(0x11, 32);
    assertThat(MutualAuth.of(key)).hasToString("MutualAuth");
    assertThat(key).containsOnly(0);
  }

  private void assertProofsRejected(String part, int bit, Handshake changed) {
    Transcript original = handshake.transcript();
    Frame.Auth proven = auth.prove(original, handshake.answer());
    assertThat(auth.holds(changed.transcript(), proven)).as("%s, bit %d", part, bit).isFalse();
    assertThat(auth.holds(changed.transcript(), auth.welcome(original, 0)))
        .as("%s, bit %d", part, bit)
        .isFalse();
  }

  private Handshake withAuth(byte[] nonce, byte[] instance, long epoch, String label) {
    return new Handshake(
        handshake.preamble(),
        handshake.binding(),
        handshake.nonceR(),
        handshake.version(),
        Frame.Auth.of(nonce, InstanceId.read(Unpooled.wrappedBuffer(instance)), epoch, label));
  }

  private static List<Byte> payload(Frame frame) {
    var out = Unpooled.buffer();
    frame.writePayload(out);
    List<Byte> bytes = new ArrayList<>();
    while (out.isReadable()) {
      bytes.add(out.readByte());
    }
    return bytes;
  }

  private static byte[] bytesFrom(int first, int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (first + i);
    }
    return bytes;
  }

  private static byte[] flip(byte[] bytes, int bit) {
    byte[] changed = bytes.clone();
    changed[bit / 8] ^= (byte) (1 << bit % 8);
    return changed;
  }
}
