package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;

/** Bytes as tests write and compare them: hex digits, spaces where they help the eye. */
final class Hex {
  private Hex() {}

  static ByteBuf bytes(String hex) {
    return Unpooled.wrappedBuffer(array(hex));
  }

  static byte[] array(String hex) {
    return ByteBufUtil.decodeHexDump(hex.replace(" ", ""));
  }

  /** The digits without the spaces. */
  static String plain(String hex) {
    return hex.replace(" ", "");
  }

  /** Reads and releases. */
  static String take(ByteBuf bytes) {
    try {
      return ByteBufUtil.hexDump(bytes);
    } finally {
      bytes.release();
    }
  }
}
