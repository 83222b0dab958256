package io.c2crelay.it.support;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * The bytes of one direction of one session, each of which depends on the session, the direction
 * and its position: a byte that is lost, doubled, moved or another session's is seen, and the
 * failure says whose it is. Remembers how far it has come; for one thread at a time.
 *
 * <p>It is a row of 8-byte words, each a permutation of (session, direction, index). So the first
 * word tells whose it is: a target need not be told which session it serves.
 */
public final class Sequence {

  /** As many sessions as can be told apart. */
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

  /** What a user sends here, its first 8 bytes read: now the target knows which session it is. */
  public static Sequence toTarget(InputStream in) throws IOException {
    return begun(in, false);
  }

  /** What a target sends here, its first 8 bytes read. */
  public static Sequence toUser(InputStream in) throws IOException {
    return begun(in, true);
  }

  private static Sequence begun(InputStream in, boolean toUser) throws IOException {
    byte[] first = in.readNBytes(WORD);
    if (first.length < WORD) {
      throw new EOFException("FIN after " + first.length + " bytes, before it said who it is");
    }
    long key = unmix(ByteBuffer.wrap(first).getLong());
    Sequence sequence = new Sequence((int) (key >>> INDEX_BITS + 1), toUser);
    sequence.verify(first, 0, WORD);
    return sequence;
  }

  public int session() {
    return (int) (base >>> INDEX_BITS + 1);
  }

  /** How many bytes were made, or found right, so far. */
  public long position() {
    return position;
  }

  /** The next bytes. */
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
      position = before; // written is what counts
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
                + whose(bytes, from + wrong, offset + length));
      }
      done += n;
    }
  }

  /** Reads exactly so many bytes, and fails unless they are the next ones. */
  public void read(InputStream in, long length) throws IOException {
    byte[] buffer = new byte[CHUNK];
    for (long left = length; left > 0; ) {
      int n = in.read(buffer, 0, (int) Math.min(left, CHUNK));
      if (n < 0) {
        throw new EOFException(this + " ends, " + left + " bytes too early");
      }
      verify(buffer, 0, n);
      left -= n;
    }
  }

  /** What to do after so many more bytes were found right. */
  @FunctionalInterface
  public interface Progress {
    void read(int bytes) throws IOException;
  }

  /**
   * Reads until FIN, and fails unless all that came is the next bytes; {@link #position()} says how
   * far they went.
   *
   * @throws SocketException at a reset
   */
  public void readToFin(InputStream in, Progress progress) throws IOException {
    byte[] buffer = new byte[CHUNK];
    for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
      verify(buffer, 0, n);
      progress.read(n);
    }
  }

  /** As above, whatever the end. */
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

  /** Two words in a row name a place in a sequence: the place of the byte at {@code at}. */
  private static String whose(byte[] bytes, int at, int end) {
    String text = Integer.toHexString(bytes[at] & 0xff);
    ByteBuffer words = ByteBuffer.wrap(bytes);
    for (int skip = 0; skip < WORD && at + skip + 2 * WORD <= end; skip++) {
      long key = unmix(words.getLong(at + skip));
      if (unmix(words.getLong(at + skip + WORD)) == key + 1) {
        Sequence other =
            new Sequence((int) (key >>> INDEX_BITS + 1), (key >>> INDEX_BITS & 1) == 1);
        other.position = (key - other.base) * WORD - skip;
        return text + ", which is from " + other;
      }
    }
    return text;
  }

  /** The finishing step of SplitMix64: a permutation in which every bit of the key matters. */
  private static long mix(long key) {
    long z = key + 0x9E3779B97F4A7C15L;
    z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
    z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
    return z ^ z >>> 31;
  }

  /** Undoes {@link #mix}: the factors are the inverses of its own modulo 2^64. */
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
