package io.c2crelay.it.support;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;

/** Writes reproducible bytes in bulk and computes SHA-256 of what is written or read. */
public final class Bulk {

  private static final int CHUNK = 64 * 1024;

  private Bulk() {}

  /** A number of bytes and their SHA-256 in hex. */
  public record Sum(long length, String sha256) {}

  /** Writes {@code length} bytes that are determined by the seed. */
  public static Sum write(OutputStream out, long seed, long length) throws IOException {
    return write(out, seed, length, new AtomicLong());
  }

  /** As above; adds each write to {@code written}. */
  public static Sum write(OutputStream out, long seed, long length, AtomicLong written)
      throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    MessageDigest digest = sha256();
    byte[] chunk = new byte[CHUNK];
    ByteBuffer longs = ByteBuffer.wrap(chunk);
    for (long left = length; left > 0; ) {
      longs.clear();
      while (longs.remaining() >= Long.BYTES) {
        longs.putLong(random.nextLong());
      }
      int n = (int) Math.min(left, CHUNK);
      digest.update(chunk, 0, n);
      out.write(chunk, 0, n);
      written.addAndGet(n);
      left -= n;
    }
    out.flush();
    return new Sum(length, HexFormat.of().formatHex(digest.digest()));
  }

  /** Reads until the end of the stream. */
  public static Sum read(InputStream in) throws IOException {
    MessageDigest digest = sha256();
    byte[] chunk = new byte[CHUNK];
    long length = 0;
    for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
      digest.update(chunk, 0, n);
      length += n;
    }
    return new Sum(length, HexFormat.of().formatHex(digest.digest()));
  }

  /** Sends {@code length} bytes that are determined by the seed, then FIN. */
  public static Async<Sum> send(TcpEnd from, long seed, long length) {
    return send(from, seed, length, new AtomicLong());
  }

  /** As above; adds each write to {@code sent}. */
  public static Async<Sum> send(TcpEnd from, long seed, long length, AtomicLong sent) {
    return Async.run(
        () -> {
          Sum sum = write(from.out(), seed, length, sent);
          from.finish();
          return sum;
        });
  }

  /** Receives until FIN. */
  public static Async<Sum> receive(TcpEnd at) {
    return Async.run(() -> read(at.in()));
  }

  public static Sum of(byte[] bytes) {
    return new Sum(bytes.length, HexFormat.of().formatHex(sha256().digest(bytes)));
  }

  /** Bytes that are determined by the seed. */
  public static byte[] bytes(long seed, int length) {
    byte[] bytes = new byte[length];
    new java.util.Random(seed).nextBytes(bytes);
    return bytes;
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}
