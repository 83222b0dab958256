package io.c2crelay.common.protocol;

/** The protocol's version and the limits that both ends must agree on (docs/protocol.md). */
public final class RelayProtocol {
  /** The lowest protocol version this build speaks. */
  public static final int LOWEST_VERSION = 1;

  /** The highest protocol version this build speaks. */
  public static final int HIGHEST_VERSION = 1;

  /** Bytes of a frame's header: type u8, payload length u24. */
  public static final int FRAME_HEADER_LENGTH = 4;

  /** Longest payload of a frame on a control connection, in bytes. */
  public static final int MAX_CONTROL_PAYLOAD = 4 * 1024;

  /** Longest payload of a frame on a data connection: with its header it fills one TLS record. */
  public static final int MAX_DATA_PAYLOAD = 16 * 1024 - FRAME_HEADER_LENGTH;

  /** Most session bytes the relay may send after START before it has seen STARTED. */
  public static final int MAX_EARLY_BYTES = 64 * 1024;

  /** Longest label of an agent, in bytes of UTF-8. */
  public static final int MAX_LABEL_LENGTH = 64;

  /** Longest typed fields of an AUTH together, in bytes. */
  public static final int MAX_AUTH_FIELDS = 512;

  /**
   * Most tokens that an agent may have outstanding, in DIAL frames not yet answered one way or the
   * other.
   */
  public static final int MAX_TOKENS = 256;

  /** Most tokens in one DIAL frame. */
  public static final int MAX_DIALS_PER_FRAME =
      MAX_CONTROL_PAYLOAD / (Token.LENGTH + Frame.Dial.ACK_LENGTH);

  private RelayProtocol() {}
}
