package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import org.jspecify.annotations.Nullable;

/** What the relay writes, in place of TLS, to an agent it shares no protocol version with. */
public final class VersionRefusal {
  /** Bytes of a refusal. */
  public static final int LENGTH = Preamble.MAGIC_LENGTH + 3;

  private static final int END = 0xFF;

  private final int lowestVersion;
  private final int highestVersion;

  private VersionRefusal(int lowestVersion, int highestVersion) {
    this.lowestVersion = lowestVersion;
    this.highestVersion = highestVersion;
  }

  /** The refusal this build writes: its own version range. */
  public static VersionRefusal ofThisBuild() {
    return new VersionRefusal(RelayProtocol.LOWEST_VERSION, RelayProtocol.HIGHEST_VERSION);
  }

  /**
   * Reads {@link #LENGTH} bytes.
   *
   * @return null if they are no refusal
   */
  public static @Nullable VersionRefusal read(ByteBuf in) {
    boolean magic = Preamble.match(in) == Preamble.Match.COMPLETE;
    in.skipBytes(Preamble.MAGIC_LENGTH);
    int lowest = in.readUnsignedByte();
    int highest = in.readUnsignedByte();
    return in.readUnsignedByte() == END && magic ? new VersionRefusal(lowest, highest) : null;
  }

  /** Writes {@link #LENGTH} bytes. */
  public void write(ByteBuf out) {
    Preamble.writeMagic(out);
    out.writeByte(lowestVersion).writeByte(highestVersion).writeByte(END);
  }

  /** The lowest version the relay speaks. */
  public int lowestVersion() {
    return lowestVersion;
  }

  /** The highest version the relay speaks. */
  public int highestVersion() {
    return highestVersion;
  }
}
