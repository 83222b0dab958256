package io.c2crelay.it.support;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** A frame on the wire. */
public record RawFrame(int type, byte[] payload) {

  public static RawFrame of(int type, byte[]... payload) {
    return new RawFrame(type, Wire.concat(payload));
  }

  public static RawFrame data(String text) {
    return of(Wire.DATA, text.getBytes(StandardCharsets.UTF_8));
  }

  public String text() {
    return new String(payload, StandardCharsets.UTF_8);
  }

  public int code() {
    if (payload.length != 1) {
      throw new AssertionError("not a frame with a code: " + this);
    }
    return payload[0] & 0xFF;
  }

  /** Type, length u24, payload. */
  public byte[] bytes() {
    return Wire.concat(header(type, payload.length), payload);
  }

  /** This frame repeated as often as fits into {@code bytes} bytes. */
  public byte[] fill(int bytes) {
    byte[] one = bytes();
    byte[] all = new byte[bytes / one.length * one.length];
    for (int at = 0; at < all.length; at += one.length) {
      System.arraycopy(one, 0, all, at, one.length);
    }
    return all;
  }

  /** A header with any length, to announce a payload that does not follow. */
  public static byte[] header(int type, int length) {
    return new byte[] {(byte) type, (byte) (length >>> 16), (byte) (length >>> 8), (byte) length};
  }

  @Override
  public String toString() {
    HexFormat hex = HexFormat.of();
    String shown =
        payload.length > 64 ? hex.formatHex(payload, 0, 64) + "..." : hex.formatHex(payload);
    return String.format("frame %02x of %d bytes [%s]", type, payload.length, shown);
  }
}
