package io.c2crelay.common.testing;

import io.c2crelay.common.logging.LogLevel;
import io.c2crelay.common.logging.Logging;
import io.c2crelay.common.protocol.Frame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.util.Arrays;

/**
 * The input of a fuzz test as a sequence of steps: a byte for which step it is, then what the step
 * asks for. Any bytes make a script; what is missing at its end is zero.
 */
public final class Script {
  /** Longer ones would show no more, only later. */
  private static final int MAX_LENGTH = 512;

  static {
    if (System.getenv("JAZZER_FUZZ") != null) {
      Logging.level(LogLevel.ERROR); // it would be thousands of lines a second
    }
  }

  private final byte[] bytes;
  private int next;

  private Script(byte[] bytes) {
    this.bytes = bytes;
  }

  public static Script of(byte[] input) {
    return new Script(Arrays.copyOf(input, Math.min(input.length, MAX_LENGTH)));
  }

  public boolean hasNext() {
    return next < bytes.length;
  }

  /** One of these, by the next byte. */
  public <T> T oneOf(T[] choices) {
    return choices[number() % choices.length];
  }

  /** One of these, by the next byte. */
  public int oneOf(int[] choices) {
    return choices[number() % choices.length];
  }

  /** The next byte, 0..255. */
  public int number() {
    return hasNext() ? bytes[next++] & 0xFF : 0;
  }

  /** Whether the next byte is even: the usual case is zero. */
  public boolean usual() {
    return number() % 2 == 0;
  }

  /** A length, and so many bytes, or what is left. */
  public byte[] bytes() {
    int length = number();
    int from = next;
    next = Math.min(bytes.length, next + length);
    return Arrays.copyOfRange(bytes, from, next);
  }

  /** A frame, of any type and payload, as it is on the wire. */
  public static byte[] frame(int type, byte[] payload) {
    return ByteBufUtil.getBytes(
        Unpooled.buffer().writeByte(type).writeMedium(payload.length).writeBytes(payload));
  }

  /** A frame as it is on the wire. */
  public static byte[] frame(Frame frame) {
    ByteBuf payload = Unpooled.buffer();
    frame.writePayload(payload);
    return frame(frame.type().code(), ByteBufUtil.getBytes(payload));
  }
}
