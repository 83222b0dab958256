package io.c2crelay.common.auth;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.auth.MutualAuth.Transcript;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ServiceName;
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
      "1740629314cb6f65cbca080f63457689d06439257bfe472d31dcf80e60b29e39";
  private static final String RELAY_PROOF =
      "8d98fdfba97323713a52b511a88e387d80e5903bdf3312ad786e07a2d50fa221";

  private final MutualAuth auth = MutualAuth.of(bytesFrom(0x00, 32));
  private final Handshake handshake = Handshake.of(PREAMBLE, 7, "", "lab");

  /** The inputs of a transcript. */
  private record Handshake(
      byte[] preamble, byte[] binding, byte[] nonceR, int version, Frame.Auth answer) {

    static Handshake of(String preamble, long epoch, String service, String label) {
      return new Handshake(
          ByteBufUtil.decodeHexDump(preamble),
          bytesFrom(0x40, 32),
          bytesFrom(0x60, 32),
          1,
          Frame.Auth.of(
              bytesFrom(0x80, 32),
              InstanceId.read(Unpooled.wrappedBuffer(bytesFrom(0xa0, 16))),
              epoch,
              service(service),
              label));
    }

    Transcript transcript() {
      Preamble read = Preamble.read(Unpooled.wrappedBuffer(preamble));
      return Transcript.of(read, binding, Frame.Challenge.of(version, nonceR), answer);
    }
  }

  @ParameterizedTest
  @CsvSource({
    PREAMBLE + ", 7, '', lab, 0, " + AGENT_PROOF + ", " + RELAY_PROOF,
    PREAMBLE
        + ", 7, ssh-1, lab, 0,"
        + "7e5fe090659ee7d5bd7b947b962bd7507f13fac6b15537433b86ef9954a58189,"
        + "b0daaae3d1c02aeec16f12582a18b3e6beb9208c0ea23061952a75e00c78a278",
    "c24332430d0a1a0a01030001deadbeef, -81985529216486896, '', büro, 1,"
        + "c25a798ddefe5591febb93da968114495ca5cd0488dfe2ccd6d648ba8f303d38,"
        + "e70df442a2bd2c7866b594d19e4768708a276424cd2af1552ca7e3ea864d9575",
    PREAMBLE
        + ", 1, '', '', 0,"
        + "ac14c55a2781efa3b3439d40f08fe0e4a94284ce4d0a4e73ce585b1eb3889bbb,"
        + "ef4d0424e680ec770b2756c458a489448198254a5765ca4b6eeb62a2ce6c4474"
  })
  void proofsMatchVectors(
      String preamble,
      long epoch,
      String service,
      String label,
      int dataMode,
      String agent,
      String relay) {
    Handshake vector = Handshake.of(preamble, epoch, service, label);
    Frame.Auth proven = auth.prove(vector.transcript(), vector.answer());
    assertThat(ByteBufUtil.hexDump(proven.proof())).isEqualTo(agent);
    Frame.Welcome welcome = auth.welcome(vector.transcript(), dataMode);
    assertThat(ByteBufUtil.hexDump(welcome.proof())).isEqualTo(relay);
    assertThat(welcome.dataMode()).isEqualTo(dataMode);
    assertThat(auth.verify(vector.transcript(), proven)).isTrue();
    assertThat(auth.verify(vector.transcript(), welcome)).isTrue();
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
      assertProofsRejected("nonce", bit, withAuth(flip(nonce, bit), instance, 7, "", "lab"));
    }
    for (int bit = 0; bit < 128; bit++) {
      assertProofsRejected("instance", bit, withAuth(nonce, flip(instance, bit), 7, "", "lab"));
    }
    for (int bit = 0; bit < 64; bit++) {
      assertProofsRejected("epoch", bit, withAuth(nonce, instance, 7 ^ 1L << bit, "", "lab"));
    }
    for (String label : List.of("", "la", "lac", "Lab", "labb", "lab ")) {
      assertProofsRejected("label", 0, withAuth(nonce, instance, 7, "", label));
    }
    assertProofsRejected("service", 0, withAuth(nonce, instance, 7, "ssh", "lab"));
  }

  @Test
  void proofBitFlipIsRejected() {
    Transcript transcript = handshake.transcript();
    Frame.Auth proven = auth.prove(transcript, handshake.answer());
    Frame.Welcome welcome = auth.welcome(transcript, 0);
    for (int bit = 0; bit < 256; bit++) {
      Frame.Auth forged = proven.withProof(flip(proven.proof(), bit));
      assertThat(auth.verify(transcript, forged)).as("proofA, bit %d", bit).isFalse();
      Frame.Welcome forgedWelcome = Frame.Welcome.of(flip(welcome.proof(), bit), 0);
      assertThat(auth.verify(transcript, forgedWelcome)).as("proofR, bit %d", bit).isFalse();
    }
  }

  @Test
  void dataModeChangeInvalidatesRelayProof() {
    Frame.Welcome welcome = auth.welcome(handshake.transcript(), 0);
    for (int mode = 1; mode < 256; mode++) {
      Frame.Welcome changed = Frame.Welcome.of(welcome.proof(), mode);
      assertThat(auth.verify(handshake.transcript(), changed)).as("mode %d", mode).isFalse();
    }
  }

  @Test
  void reflectedProofIsRejected() {
    Transcript transcript = handshake.transcript();
    Frame.Auth proven = auth.prove(transcript, handshake.answer());
    Frame.Welcome welcome = auth.welcome(transcript, 0);
    assertThat(auth.verify(transcript, Frame.Welcome.of(proven.proof(), 0))).isFalse();
    assertThat(auth.verify(transcript, handshake.answer().withProof(welcome.proof()))).isFalse();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 7, 128, 255})
  void proofOfOtherKeyIsRejected(int bit) {
    MutualAuth other = MutualAuth.of(flip(bytesFrom(0x00, 32), bit));
    Transcript transcript = handshake.transcript();
    assertThat(auth.verify(transcript, other.prove(transcript, handshake.answer()))).isFalse();
    assertThat(auth.verify(transcript, other.welcome(transcript, 0))).isFalse();
  }

  @Test
  void zeroProofIsRejected() {
    assertThat(auth.verify(handshake.transcript(), handshake.answer())).isFalse();
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
    assertThat(auth.verify(changed.transcript(), proven)).as("%s, bit %d", part, bit).isFalse();
    assertThat(auth.verify(changed.transcript(), auth.welcome(original, 0)))
        .as("%s, bit %d", part, bit)
        .isFalse();
  }

  private static ServiceName service(String name) {
    return name.isEmpty() ? ServiceName.DEFAULT : ServiceName.parse("--service", name);
  }

  private Handshake withAuth(
      byte[] nonce, byte[] instance, long epoch, String service, String label) {
    return new Handshake(
        handshake.preamble(),
        handshake.binding(),
        handshake.nonceR(),
        handshake.version(),
        Frame.Auth.of(
            nonce,
            InstanceId.read(Unpooled.wrappedBuffer(instance)),
            epoch,
            service(service),
            label));
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
