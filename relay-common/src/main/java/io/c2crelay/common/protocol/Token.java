package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import java.security.SecureRandom;

/**
 * 128 random bits that authorise one data connection. Compared by value. {@code toString} does not
 * reveal them.
 */
public final class Token {
  /** Length in bytes. */
  public static final int LENGTH = 16;

  private final long high;
  private final long low;

  private Token(long high, long low) {
    this.high = high;
    this.low = low;
  }

  public static Token random(SecureRandom random) {
    return new Token(random.nextLong(), random.nextLong());
  }

  /** Reads {@link #LENGTH} bytes. */
  public static Token read(ByteBuf in) {
    return new Token(in.readLong(), in.readLong());
  }

  /** Writes {@link #LENGTH} bytes. */
  public void write(ByteBuf out) {
    out.writeLong(high).writeLong(low);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Token && ((Token) other).high == high && ((Token) other).low == low;
  }

  @Override
  public int hashCode() {
    return Long.hashCode(high ^ low);
  }

  @Override
  public String toString() {
    return "Token";
  }
}
