package io.c2crelay.common.testing;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.logging.Logging;
import io.c2crelay.common.protocol.Frame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import org.slf4j.event.Level;

/**
 * Reads the input of a fuzz test as a sequence of steps: one byte selects the step, further bytes
 * are its arguments. Any input is valid; missing bytes are zero.
 */
public final class Script {
  /** Longer inputs only slow the fuzzer down. */
  private static final int MAX_LENGTH = 512;

  static {
    if (System.getenv("JAZZER_FUZZ") != null) {
      Logging.level(Level.ERROR); // else it logs thousands of lines a second
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

  /** A stored input of the fuzz test {@code steps} of a class. */
  public static Script ofSeed(Class<?> test, String name) {
    String file = test.getSimpleName() + "Inputs/steps/" + name;
    try (InputStream seed = requireNonNull(test.getResourceAsStream(file), file)) {
      return of(seed.readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public boolean hasNext() {
    return next < bytes.length;
  }

  /** Selects one of {@code choices} by the next byte. */
  public <T> T oneOf(T[] choices) {
    return choices[unsignedByte() % choices.length];
  }

  /** Selects one of {@code choices} by the next byte. */
  public int oneOf(int[] choices) {
    return choices[unsignedByte() % choices.length];
  }

  /** The next byte, 0..255. */
  public int unsignedByte() {
    return hasNext() ? bytes[next++] & 0xFF : 0;
  }

  /** Returns whether the next byte is even, as a missing one is. */
  public boolean isEven() {
    return unsignedByte() % 2 == 0;
  }

  /** Reads a length and that many bytes, or those that are left. */
  public byte[] bytes() {
    int length = unsignedByte();
    int from = next;
    next = Math.min(bytes.length, next + length);
    return Arrays.copyOfRange(bytes, from, next);
  }

  /** Encodes a frame of any type and payload. */
  public static byte[] frame(int type, byte[] payload) {
    return ByteBufUtil.getBytes(
        Unpooled.buffer().writeByte(type).writeMedium(payload.length).writeBytes(payload));
  }

  /** Encodes a frame. */
  public static byte[] frame(Frame frame) {
    ByteBuf payload = Unpooled.buffer();
    frame.writePayload(payload);
    return frame(frame.type().code(), ByteBufUtil.getBytes(payload));
  }
}
