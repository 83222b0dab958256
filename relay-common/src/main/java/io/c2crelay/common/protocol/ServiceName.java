package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The name of a service of the relay: 1 to 63 characters of {@code a-z}, {@code 0-9} and {@code -},
 * as a DNS label. The default service has no name on the wire and the text {@code default}.
 */
public final class ServiceName {
  /** The service that is used if no name is given. */
  public static final ServiceName DEFAULT = new ServiceName("");

  /** Maximum length in bytes. */
  static final int MAX_LENGTH = 63;

  private static final String DEFAULT_TEXT = "default";
  private static final Pattern FORM = Pattern.compile("[a-z0-9-]{0," + MAX_LENGTH + "}");

  private final String name;

  private ServiceName(String name) {
    this.name = name;
  }

  /**
   * Parses a name; {@code default} is {@link #DEFAULT}.
   *
   * @param option the option that the text belongs to, for the message
   * @throws IllegalArgumentException if {@code text} is not a valid name; the message does not
   *     repeat it
   */
  public static ServiceName parse(String option, String text) {
    if (text.isEmpty() || !FORM.matcher(text).matches()) {
      throw new IllegalArgumentException(
          option
              + " needs a service name of a-z, 0-9 and -, at most "
              + MAX_LENGTH
              + " characters");
    }
    return text.equals(DEFAULT_TEXT) ? DEFAULT : new ServiceName(text);
  }

  /** Reads a u8 length and the name, which is empty for the default service. */
  static ServiceName read(ByteBuf in) {
    int length = in.readUnsignedByte();
    if (length > in.readableBytes()) {
      throw new ProtocolException("AUTH: invalid service name");
    }
    String name = in.readCharSequence(length, StandardCharsets.ISO_8859_1).toString();
    if (!FORM.matcher(name).matches()) {
      throw new ProtocolException("AUTH: invalid service name");
    }
    return new ServiceName(name);
  }

  void write(ByteBuf out) {
    out.writeByte(name.length());
    out.writeCharSequence(name, StandardCharsets.US_ASCII);
  }

  /** The encoded length in bytes, including the length byte. */
  int encodedLength() {
    return 1 + name.length();
  }

  public boolean isDefault() {
    return name.isEmpty();
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof ServiceName && ((ServiceName) other).name.equals(name);
  }

  @Override
  public int hashCode() {
    return name.hashCode();
  }

  /** The name, or {@code default}. */
  @Override
  public String toString() {
    return isDefault() ? DEFAULT_TEXT : name;
  }
}
