package io.c2crelay.it.support;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * The byte sequence of one direction of one session. Verification detects bytes that are lost,
 * duplicated, reordered or from another sequence, and reports their origin. Tracks its position;
 * not thread-safe.
 *
 * <p>Each 8-byte word is a permutation of (session, direction, index), so the first word identifies
 * the session.
 */
public final class Sequence {

  /** The number of distinct sessions. */
  public static final int SESSIONS = 1 << 22;

  private static final int WORD = Long.BYTES;
  private static final int CHUNK = 16 * 1024;
  private static final int INDEX_BITS = 41;

  private final long base;
  private final byte[] chunk = new byte[CHUNK];
  private long position;

  private Sequence(int session, boolean toUser) {
    if (session < 0 || session >= SESSIONS) {
      throw new IllegalArgumentException("no session " + session);
    }
    this.base = ((long) session << 1 | (toUser ? 1 : 0)) << INDEX_BITS;
  }

  public static Sequence toTarget(int session) {
    return new Sequence(session, false);
  }

  public static Sequence toUser(int session) {
    return new Sequence(session, true);
  }

  /** Reads the first 8 bytes of a user's stream, which identify the session. */
  public static Sequence toTarget(InputStream in) throws IOException {
    return identify(in, false);
  }

  /** Reads the first 8 bytes of a target's stream, which identify the session. */
  public static Sequence toUser(InputStream in) throws IOException {
    return identify(in, true);
  }

  private static Sequence identify(InputStream in, boolean toUser) throws IOException {
    byte[] first = in.readNBytes(WORD);
    if (first.length < WORD) {
      throw new EOFException("FIN after " + first.length + " bytes, session not identified");
    }
    long key = unmix(ByteBuffer.wrap(first).getLong());
    Sequence sequence = new Sequence((int) (key >>> INDEX_BITS + 1), toUser);
    sequence.verify(first, 0, WORD);
    return sequence;
  }

  public int session() {
    return (int) (base >>> INDEX_BITS + 1);
  }

  /** The number of bytes generated or verified so far. */
  public long position() {
    return position;
  }

  /** Generates the next bytes. */
  public byte[] next(int length) {
    byte[] bytes = new byte[length];
    fill(bytes, 0, length);
    return bytes;
  }

  /** Writes the next bytes. */
  public void write(OutputStream out, long length) throws IOException {
    for (long left = length; left > 0; ) {
      int n = (int) Math.min(left, CHUNK);
      long before = position;
      fill(chunk, 0, n);
      position = before; // advances after the write
      out.write(chunk, 0, n);
      position += n;
      left -= n;
    }
    out.flush();
  }

  /** Fails unless these are the next bytes. */
  public void verify(byte[] bytes) {
    verify(bytes, 0, bytes.length);
  }

  public void verify(byte[] bytes, int offset, int length) {
    for (int done = 0; done < length; ) {
      int n = Math.min(length - done, CHUNK);
      int from = offset + done;
      long before = position;
      fill(chunk, 0, n);
      int wrong = Arrays.mismatch(chunk, 0, n, bytes, from, from + n);
      if (wrong >= 0) {
        position = before + wrong;
        throw new AssertionError(
            this
                + " expected "
                + Integer.toHexString(chunk[wrong] & 0xff)
                + ", got "
                + describe(bytes, from + wrong, offset + length));
      }
      done += n;
    }
  }

  /** Reads {@code length} bytes; fails unless they are the next bytes. */
  public void read(InputStream in, long length) throws IOException {
    byte[] buffer = new byte[CHUNK];
    for (long left = length; left > 0; ) {
      int n = in.read(buffer, 0, (int) Math.min(left, CHUNK));
      if (n < 0) {
        throw new EOFException(this + " got FIN, " + left + " bytes missing");
      }
      verify(buffer, 0, n);
      left -= n;
    }
  }

  /** Called with the number of bytes of each verified read. */
  @FunctionalInterface
  public interface Progress {
    void read(int bytes) throws IOException;
  }

  /**
   * Reads until FIN; fails unless all bytes are the next bytes.
   *
   * @throws SocketException on a reset
   */
  public void readToFin(InputStream in, Progress progress) throws IOException {
    byte[] buffer = new byte[CHUNK];
    for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
      verify(buffer, 0, n);
      progress.read(n);
    }
  }

  /** As {@link #readToFin}, but accepts a reset. */
  public Ending readToEnd(InputStream in) throws IOException {
    try {
      readToFin(in, n -> {});
      return Ending.FIN;
    } catch (SocketException e) {
      return Ending.RESET;
    }
  }

  private void fill(byte[] into, int offset, int length) {
    ByteBuffer words = ByteBuffer.wrap(into);
    int end = offset + length;
    for (int i = offset; i < end; ) {
      long word = mix(base + position / WORD);
      int skip = (int) (position % WORD);
      if (skip == 0 && end - i >= WORD) {
        words.putLong(i, word);
        i += WORD;
        position += WORD;
      } else {
        into[i++] = (byte) (word >>> (WORD - 1 - skip) * Byte.SIZE);
        position++;
      }
    }
  }

  /** Describes the byte at {@code at}; two consecutive words after it identify its origin. */
  private static String describe(byte[] bytes, int at, int end) {
    String text = Integer.toHexString(bytes[at] & 0xff);
    ByteBuffer words = ByteBuffer.wrap(bytes);
    for (int skip = 0; skip < WORD && at + skip + 2 * WORD <= end; skip++) {
      long key = unmix(words.getLong(at + skip));
      if (unmix(words.getLong(at + skip + WORD)) == key + 1) {
        Sequence other =
            new Sequence((int) (key >>> INDEX_BITS + 1), (key >>> INDEX_BITS & 1) == 1);
        other.position = (key - other.base) * WORD - skip;
        return text + ", from " + other;
      }
    }
    return text;
  }

  /** The finalizer of SplitMix64, a permutation of 64-bit values. */
  private static long mix(long key) {
    long z = key + 0x9E3779B97F4A7C15L;
    z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
    z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
    return z ^ z >>> 31;
  }

  /** Inverts {@link #mix}; the factors are the inverses modulo 2^64. */
  private static long unmix(long word) {
    long z = word ^ word >>> 31 ^ word >>> 62;
    z *= 0x319642B2D24D8EC3L;
    z = z ^ z >>> 27 ^ z >>> 54;
    z *= 0x96DE1B173F119089L;
    z = z ^ z >>> 30 ^ z >>> 60;
    return z - 0x9E3779B97F4A7C15L;
  }

  @Override
  public String toString() {
    return "session "
        + session()
        + ((base >>> INDEX_BITS & 1) == 1 ? " to user" : " to target")
        + " at byte "
        + position;
  }
}
