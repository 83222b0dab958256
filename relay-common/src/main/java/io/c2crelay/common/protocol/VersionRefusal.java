package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import io.netty.handler.codec.ProtocolDetectionState;
import org.jspecify.annotations.Nullable;

/**
 * The bytes that the relay writes in place of TLS if it has no protocol version in common with the
 * agent (docs/protocol.md section 1).
 */
public final class VersionRefusal {
  /** Length in bytes. */
  public static final int LENGTH = Preamble.MAGIC_LENGTH + 3;

  private static final int LAST_BYTE = 0xFF;

  private final int lowestVersion;
  private final int highestVersion;

  private VersionRefusal(int lowestVersion, int highestVersion) {
    this.lowestVersion = lowestVersion;
    this.highestVersion = highestVersion;
  }

  /** Creates a refusal with the version range of this build. */
  public static VersionRefusal ofThisBuild() {
    return new VersionRefusal(RelayProtocol.LOWEST_VERSION, RelayProtocol.HIGHEST_VERSION);
  }

  /**
   * Reads {@link #LENGTH} bytes.
   *
   * @return null if they are not a refusal
   */
  public static @Nullable VersionRefusal read(ByteBuf in) {
    boolean magic = Preamble.detect(in) == ProtocolDetectionState.DETECTED;
    in.skipBytes(Preamble.MAGIC_LENGTH);
    int lowest = in.readUnsignedByte();
    int highest = in.readUnsignedByte();
    return in.readUnsignedByte() == LAST_BYTE && magic ? new VersionRefusal(lowest, highest) : null;
  }

  /** Writes {@link #LENGTH} bytes. */
  public void write(ByteBuf out) {
    Preamble.writeMagic(out);
    out.writeByte(lowestVersion).writeByte(highestVersion).writeByte(LAST_BYTE);
  }

  /** The lowest version that the relay supports, 0..255. */
  public int lowestVersion() {
    return lowestVersion;
  }

  /** The highest version that the relay supports, 0..255. */
  public int highestVersion() {
    return highestVersion;
  }
}
