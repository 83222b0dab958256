package io.c2crelay.common.testing;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import org.junit.jupiter.api.Test;

/** A leak fails one test class, and the failure shows its origin. */
class LeakGateTest {

  @Test
  void unreleasedBufferIsReported() {
    leak();
    assertThatThrownBy(LeakGate::assertNoLeak)
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("LEAK: ByteBuf")
        .hasMessageContaining("LeakGateTest.leak");
    assertThatCode(LeakGate::assertNoLeak).doesNotThrowAnyException();
  }

  private static void leak() {
    ByteBufAllocator.DEFAULT.buffer(16);
  }

  @Test
  void releasedBufferIsNotReported() {
    ByteBuf released = ByteBufAllocator.DEFAULT.buffer(16);
    released.release();
    assertThatCode(LeakGate::assertNoLeak).doesNotThrowAnyException();
  }
}
