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
  private static final String ID = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

  @ParameterizedTest
  @MethodSource("io.c2crelay.common.protocol.GoldenFrames#all")
  void toStringHasOnlyTypeAndReason(Golden golden) {
    assertThat(golden.frame().toString()).matches(golden.type() + "(\\([A-Z_]+\\))?");
  }

  @Test
  void tokenHasValueEqualityAndHiddenValue() {
    Token token = GoldenFrames.token(ID);
    assertThat(token)
        .isEqualTo(GoldenFrames.token(ID))
        .hasSameHashCodeAs(GoldenFrames.token(ID))
        .isNotEqualTo(GoldenFrames.token(ID.replace("f0", "f1")))
        .isNotEqualTo(GoldenFrames.token(ID.replace("ff", "fe")))
        .isNotEqualTo(InstanceId.read(Hex.bytes(ID)))
        .hasToString("Token");
  }

  @Test
  void instanceIdHasValueEqualityAndHiddenValue() {
    InstanceId instance = InstanceId.read(Hex.bytes(ID));
    assertThat(instance)
        .isEqualTo(InstanceId.read(Hex.bytes(ID)))
        .hasSameHashCodeAs(InstanceId.read(Hex.bytes(ID)))
        .isNotEqualTo(InstanceId.read(Hex.bytes(ID.replace("f0", "f1"))))
        .isNotEqualTo(InstanceId.read(Hex.bytes(ID.replace("ff", "fe"))))
        .isNotEqualTo(GoldenFrames.token(ID))
        .hasToString("InstanceId");
  }

  @Test
  void randomIdsDiffer() {
    SecureRandom random = new SecureRandom();
    assertThat(Token.random(random)).isNotEqualTo(Token.random(random));
    assertThat(InstanceId.random(random)).isNotEqualTo(InstanceId.random(random));
  }

  @Test
  void arraysAreCopied() {
    byte[] nonce = new byte[32];
    byte[] proof = new byte[32];
    Frame.Auth auth =
        Frame.Auth.of(nonce, InstanceId.read(Hex.bytes(ID)), 1, ServiceName.DEFAULT, "")
            .withProof(proof);
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
  void dialRequestsAreImmutable() {
    List<Frame.Dial.DialRequest> dialRequests = new ArrayList<>();
    dialRequests.add(Frame.Dial.DialRequest.of(GoldenFrames.token(ID), GoldenFrames.token(ID)));
    Frame.Dial dial = Frame.Dial.of(dialRequests);
    dialRequests.clear();
    assertThat(dial.dialRequests()).hasSize(1).isUnmodifiable();
  }

  @Test
  void labelHasAtMost64Bytes() {
    InstanceId instance = InstanceId.read(Hex.bytes(ID));
    assertThat(
            Frame.Auth.of(new byte[32], instance, 1, ServiceName.DEFAULT, "ü".repeat(32))
                .payloadLength())
        .isEqualTo(154);
    assertThatIllegalArgumentException()
        .isThrownBy(
            () ->
                Frame.Auth.of(
                    new byte[32], instance, 1, ServiceName.DEFAULT, "ü".repeat(32) + "x"));
  }
}
