package io.c2crelay.common.testing;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;

/** Bytes that one end has sent or received. */
public final class ByteRecord extends ByteArrayOutputStream {
  /** Adds bytes and releases the buffer. */
  public void add(ByteBuf bytes) {
    writeBytes(ByteBufUtil.getBytes(bytes));
    bytes.release();
  }

  /** Asserts that these are the first bytes of {@code whole}, which the description names. */
  public void assertPrefixOf(ByteRecord whole, String description) {
    assertThat(size()).as("bytes of %s", description).isLessThanOrEqualTo(whole.size());
    assertThat(Arrays.equals(buf, 0, count, whole.buf, 0, count)).as(description).isTrue();
  }
}
