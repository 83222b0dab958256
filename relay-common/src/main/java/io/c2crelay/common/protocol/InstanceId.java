package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import java.security.SecureRandom;

/**
 * 128 random bits that identify an agent process for its lifetime. Compared by value. {@code
 * toString} does not reveal them.
 */
public final class InstanceId {
  /** Length in bytes. */
  public static final int LENGTH = 16;

  private final long high;
  private final long low;

  private InstanceId(long high, long low) {
    this.high = high;
    this.low = low;
  }

  public static InstanceId random(SecureRandom random) {
    return new InstanceId(random.nextLong(), random.nextLong());
  }

  /** Reads {@link #LENGTH} bytes. */
  public static InstanceId read(ByteBuf in) {
    return new InstanceId(in.readLong(), in.readLong());
  }

  /** Writes {@link #LENGTH} bytes. */
  public void write(ByteBuf out) {
    out.writeLong(high).writeLong(low);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof InstanceId
        && ((InstanceId) other).high == high
        && ((InstanceId) other).low == low;
  }

  @Override
  public int hashCode() {
    return Long.hashCode(high ^ low);
  }

  /** Hides the value: an agent that presents a known instance is not throttled. */
  @Override
  public String toString() {
    return "InstanceId";
  }
}
