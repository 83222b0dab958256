package io.c2crelay.common.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ReasonCodeTest {

  @ParameterizedTest
  @CsvSource({
    "TARGET_REFUSED, 1",
    "TARGET_TIMEOUT, 2",
    "TARGET_UNREACHABLE, 3",
    "LIMIT, 4",
    "BAD_TOKEN, 5",
    "USER_GONE, 6",
    "MISCLASSIFIED, 7",
    "REPLACED, 8",
    "DRAINING, 9",
    "PROTOCOL, 10",
    "IDLE, 11",
    "STALE_EPOCH, 12",
    "AGENT_LOST, 13",
    "START_TIMEOUT, 14",
    "TARGET_GONE, 15",
    "INTERNAL, 16",
    "NO_AGENT, 17",
    "KEY_REMOVED, 18"
  })
  void codesMatchProtocol(ReasonCode reason, int code) {
    assertThat(reason.code()).isEqualTo(code);
    assertThat(ReasonCode.of(code)).isSameAs(reason);
  }

  @ParameterizedTest
  @ValueSource(ints = {19, 127, 128, 255, -1})
  void unknownCodeIsInternal(int code) {
    assertThat(ReasonCode.of(code)).isSameAs(ReasonCode.INTERNAL);
  }

  @Test
  void doneFromTheWireIsInternal() {
    assertThat(ReasonCode.of(ReasonCode.DONE.code())).isSameAs(ReasonCode.INTERNAL);
  }
}
