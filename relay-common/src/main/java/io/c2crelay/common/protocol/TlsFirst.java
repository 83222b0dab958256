package io.c2crelay.common.protocol;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.ProtocolDetectionState;

/**
 * The first bytes of an agent that begins with TLS, for networks that pass only TLS: a ClientHello
 * that offers one application protocol, {@link #PROTOCOL} (RFC 7301). The preamble follows inside
 * (docs/protocol.md section 1).
 */
public final class TlsFirst {
  /** The name of this protocol in ALPN. */
  public static final String PROTOCOL = "c2crelay";

  /** A longer ClientHello is classified as a user's. */
  static final int MAX_LENGTH = 4096;

  private static final int RECORD_HEADER = 5;
  private static final int HANDSHAKE_HEADER = 4;
  private static final int RECORD_HANDSHAKE = 22;
  private static final int RECORD_VERSION_MAJOR = 3;
  private static final int CLIENT_HELLO = 1;
  private static final int VERSION_AND_RANDOM = 2 + 32;
  private static final int EXTENSION_ALPN = 16;
  private static final ByteBuf ALPN = alpn();

  private TlsFirst() {}

  private static ByteBuf alpn() {
    byte[] name = PROTOCOL.getBytes(US_ASCII);
    ByteBuf list = Unpooled.buffer(3 + name.length);
    list.writeShort(1 + name.length).writeByte(name.length).writeBytes(name);
    return Unpooled.unreleasableBuffer(list.asReadOnly());
  }

  /**
   * Detects whether the first bytes of a connection are such a ClientHello, alone in its TLS
   * record. Does not move an index.
   */
  public static ProtocolDetectionState detect(ByteBuf first) {
    ByteBuf in = first.slice();
    int length = in.readableBytes();
    if ((length > 0 && in.getUnsignedByte(0) != RECORD_HANDSHAKE)
        || (length > 1 && in.getUnsignedByte(1) != RECORD_VERSION_MAJOR)) {
      return ProtocolDetectionState.INVALID;
    }
    if (length < RECORD_HEADER + HANDSHAKE_HEADER) {
      return ProtocolDetectionState.NEEDS_MORE_DATA;
    }
    int record = in.getUnsignedShort(3);
    if (RECORD_HEADER + record > MAX_LENGTH
        || in.getUnsignedByte(5) != CLIENT_HELLO
        || in.getUnsignedMedium(6) != record - HANDSHAKE_HEADER) {
      return ProtocolDetectionState.INVALID;
    }
    if (length < RECORD_HEADER + record) {
      return ProtocolDetectionState.NEEDS_MORE_DATA;
    }
    ByteBuf hello = in.slice(RECORD_HEADER + HANDSHAKE_HEADER, record - HANDSHAKE_HEADER);
    return offersProtocol(hello) ? ProtocolDetectionState.DETECTED : ProtocolDetectionState.INVALID;
  }

  /** RFC 8446, section 4.1.2. */
  private static boolean offersProtocol(ByteBuf hello) {
    try {
      hello.skipBytes(VERSION_AND_RANDOM);
      hello.skipBytes(hello.readUnsignedByte()); // session id
      hello.skipBytes(hello.readUnsignedShort()); // cipher suites
      hello.skipBytes(hello.readUnsignedByte()); // compression methods
      ByteBuf extensions = hello.readSlice(hello.readUnsignedShort());
      while (extensions.isReadable()) {
        int type = extensions.readUnsignedShort();
        ByteBuf value = extensions.readSlice(extensions.readUnsignedShort());
        if (type == EXTENSION_ALPN) {
          return value.equals(ALPN);
        }
      }
      return false;
    } catch (IndexOutOfBoundsException malformed) {
      return false;
    }
  }
}
