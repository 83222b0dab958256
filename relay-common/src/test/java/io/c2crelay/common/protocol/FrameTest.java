package io.c2crelay.common.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.c2crelay.common.protocol.GoldenFrames.Golden;
import io.netty.buffer.Unpooled;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class FrameTest {
  private static final String ANY = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

  @ParameterizedTest
  @MethodSource("io.c2crelay.common.protocol.GoldenFrames#all")
  void isPrintedAsItsTypeAndReasonOnly(Golden golden) {
    assertThat(golden.frame().toString()).matches(golden.type() + "(\\([A-Z_]+\\))?");
  }

  @Test
  void aTokenIsComparedByValueAndNeverPrinted() {
    Token token = GoldenFrames.token(ANY);
    assertThat(token)
        .isEqualTo(GoldenFrames.token(ANY))
        .hasSameHashCodeAs(GoldenFrames.token(ANY))
        .isNotEqualTo(GoldenFrames.token(ANY.replace("f0", "f1")))
        .isNotEqualTo(GoldenFrames.token(ANY.replace("ff", "fe")))
        .isNotEqualTo(InstanceId.read(Hex.bytes(ANY)))
        .hasToString("Token");
  }

  @Test
  void anInstanceIsComparedByValueAndNeverPrinted() {
    InstanceId instance = InstanceId.read(Hex.bytes(ANY));
    assertThat(instance)
        .isEqualTo(InstanceId.read(Hex.bytes(ANY)))
        .hasSameHashCodeAs(InstanceId.read(Hex.bytes(ANY)))
        .isNotEqualTo(InstanceId.read(Hex.bytes(ANY.replace("f0", "f1"))))
        .isNotEqualTo(InstanceId.read(Hex.bytes(ANY.replace("ff", "fe"))))
        .isNotEqualTo(GoldenFrames.token(ANY))
        .hasToString("InstanceId");
  }

  @Test
  void randomOnesDiffer() {
    SecureRandom random = new SecureRandom();
    assertThat(Token.random(random)).isNotEqualTo(Token.random(random));
    assertThat(InstanceId.random(random)).isNotEqualTo(InstanceId.random(random));
  }

  @Test
  void secretsGoInAndComeOutAsCopies() {
    byte[] nonce = new byte[32];
    byte[] proof = new byte[32];
    Frame.Auth auth = Frame.Auth.of(nonce, InstanceId.read(Hex.bytes(ANY)), 1, "").withProof(proof);
    Frame.Welcome welcome = Frame.Welcome.of(proof, 0);
    proof[0] = 1;
    auth.proof()[1] = 1;
    welcome.proof()[1] = 1;
    assertThat(auth.proof()).containsOnly(0).hasSize(32);
    assertThat(welcome.proof()).containsOnly(0).hasSize(32);
    nonce[0] = 1;
    var payload = Unpooled.buffer();
    auth.writePayload(payload);
    assertThat(payload.getByte(0)).isZero();
  }

  @Test
  void theTicketsOfADialDoNotChange() {
    List<Frame.Dial.Ticket> tickets = new ArrayList<>();
    tickets.add(Frame.Dial.Ticket.of(GoldenFrames.token(ANY), GoldenFrames.token(ANY)));
    Frame.Dial dial = Frame.Dial.of(tickets);
    tickets.clear();
    assertThat(dial.tickets()).hasSize(1).isUnmodifiable();
  }

  @Test
  void aLabelHasAtMost64BytesOfUtf8() {
    InstanceId instance = InstanceId.read(Hex.bytes(ANY));
    assertThat(Frame.Auth.of(new byte[32], instance, 1, "ü".repeat(32)).payloadLength())
        .isEqualTo(153);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Frame.Auth.of(new byte[32], instance, 1, "ü".repeat(32) + "x"));
  }
}
