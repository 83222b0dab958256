package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import java.security.SecureRandom;

/**
 * The 16 random bytes that an agent process is known by as long as it lives. Compared by value;
 * never printed.
 */
public final class InstanceId {
  /** Bytes of an instance. */
  public static final int LENGTH = 16;

  private final long high;
  private final long low;

  private InstanceId(long high, long low) {
    this.high = high;
    this.low = low;
  }

  /** A fresh instance. */
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

  /** Says nothing: whoever knows an instance is not throttled. */
  @Override
  public String toString() {
    return "InstanceId";
  }
}
