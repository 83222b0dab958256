package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import io.netty.handler.codec.ProtocolDetectionState;
import org.jspecify.annotations.Nullable;

/**
 * The 16 bytes that an agent writes first on each connection, before TLS (docs/protocol.md section
 * 1). They distinguish agent connections from user connections and authenticate nothing.
 */
public final class Preamble {
  /** Length of a preamble in bytes. */
  public static final int LENGTH = 16;

  /** Length of the leading magic in bytes. */
  public static final int MAGIC_LENGTH = 8;

  private static final long MAGIC = 0xC2_43_32_43_0D_0A_1A_0AL;

  private static final Kind[] KINDS = Kind.values();

  /** The purpose of an agent's connection. */
  public enum Kind {
    /** The long-lived control connection. */
    CONTROL(0),
    /** A data connection under TLS. */
    DATA(1),
    /** A data connection without TLS: reserved; this version refuses it. */
    PLAIN_DATA(2);

    private final int code;

    Kind(int code) {
      this.code = code;
    }
  }

  private final byte[] bytes;

  private Preamble(byte[] bytes) {
    this.bytes = bytes;
  }

  /** Creates the preamble that this build writes. */
  public static Preamble of(Kind kind) {
    byte[] bytes = new byte[LENGTH];
    for (int i = 0; i < MAGIC_LENGTH; i++) {
      bytes[i] = magicByte(i);
    }
    bytes[8] = RelayProtocol.LOWEST_VERSION;
    bytes[9] = RelayProtocol.HIGHEST_VERSION;
    bytes[10] = (byte) kind.code;
    return new Preamble(bytes);
  }

  /** Compares the first bytes of a connection with the magic, without moving an index. */
  public static ProtocolDetectionState detect(ByteBuf first) {
    int length = Math.min(first.readableBytes(), MAGIC_LENGTH);
    for (int i = 0; i < length; i++) {
      if (first.getByte(first.readerIndex() + i) != magicByte(i)) {
        return ProtocolDetectionState.INVALID;
      }
    }
    return length == MAGIC_LENGTH
        ? ProtocolDetectionState.DETECTED
        : ProtocolDetectionState.NEEDS_MORE_DATA;
  }

  /**
   * Reads {@link #LENGTH} bytes that start with the magic.
   *
   * @return null if the kind is unknown or the version range is empty
   */
  public static @Nullable Preamble read(ByteBuf in) {
    byte[] bytes = new byte[LENGTH];
    in.readBytes(bytes);
    Preamble preamble = new Preamble(bytes);
    return (bytes[10] & 0xFF) < KINDS.length
            && preamble.lowestVersion() <= preamble.highestVersion()
        ? preamble
        : null;
  }

  /** Writes {@link #LENGTH} bytes. */
  public void write(ByteBuf out) {
    out.writeBytes(bytes);
  }

  /**
   * Returns a copy of the {@link #LENGTH} bytes as sent, including reserved bytes: the proofs cover
   * all of them.
   */
  public byte[] toBytes() {
    return bytes.clone();
  }

  static void writeMagic(ByteBuf out) {
    out.writeLong(MAGIC);
  }

  private static byte magicByte(int index) {
    return (byte) (MAGIC >>> (56 - 8 * index));
  }

  /** The lowest version that the agent supports, 0..255. */
  public int lowestVersion() {
    return bytes[8] & 0xFF;
  }

  /** The highest version that the agent supports, 0..255. */
  public int highestVersion() {
    return bytes[9] & 0xFF;
  }

  public Kind kind() {
    return KINDS[bytes[10]];
  }

  /** Whether this build supports a version in the agent's range. */
  public boolean hasCommonVersion() {
    return lowestVersion() <= RelayProtocol.HIGHEST_VERSION
        && highestVersion() >= RelayProtocol.LOWEST_VERSION;
  }

  @Override
  public String toString() {
    return "Preamble(" + kind() + " v" + lowestVersion() + "-" + highestVersion() + ")";
  }
}
