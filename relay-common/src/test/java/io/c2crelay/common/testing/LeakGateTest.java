package io.c2crelay.common.testing;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import org.junit.jupiter.api.Test;

/** A leak fails the class it is found in, with where it came from, and only that class. */
class LeakGateTest {

  @Test
  void bufferThatNobodyReleasesIsALeak() {
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
  void releasedBufferIsNone() {
    ByteBuf released = ByteBufAllocator.DEFAULT.buffer(16);
    released.release();
    assertThatCode(LeakGate::assertNoLeak).doesNotThrowAnyException();
  }
}
