package io.c2crelay.common.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class DescriptorLimitTest {

  @Test
  void limitBelowMinimumIsRejected() throws Exception {
    assertThatThrownBy(() -> DescriptorLimit.check(63))
        .isInstanceOf(StartupException.class)
        .hasMessage(
            "only 63 file descriptors are allowed and at least 64 are needed (ulimit -n, LimitNOFILE)");
    DescriptorLimit.check(64);
    DescriptorLimit.check(Long.MAX_VALUE);
  }

  @Test
  void limitOfThisProcessIsKnown() throws Exception {
    assertThat(DescriptorLimit.get()).isPositive();
    DescriptorLimit.check();
  }
}
