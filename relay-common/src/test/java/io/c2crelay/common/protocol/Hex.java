package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;

/** Converts hex dumps in tests. They may contain spaces. */
final class Hex {
  private Hex() {}

  static ByteBuf bytes(String hex) {
    return Unpooled.wrappedBuffer(array(hex));
  }

  static byte[] array(String hex) {
    return ByteBufUtil.decodeHexDump(hex.replace(" ", ""));
  }

  /** Removes the spaces. */
  static String plain(String hex) {
    return hex.replace(" ", "");
  }

  /** Returns the hex dump of a buffer and releases it. */
  static String take(ByteBuf bytes) {
    try {
      return ByteBufUtil.hexDump(bytes);
    } finally {
      bytes.release();
    }
  }
}
