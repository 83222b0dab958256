package io.c2crelay.common.protocol;

/** Protocol versions and the limits that both ends share (docs/protocol.md). */
public final class RelayProtocol {
  /** The lowest protocol version that this build supports. */
  public static final int LOWEST_VERSION = 1;

  /** The highest protocol version that this build supports. */
  public static final int HIGHEST_VERSION = 1;

  /** Length of a frame header in bytes: type u8, payload length u24. */
  public static final int FRAME_HEADER_LENGTH = 4;

  /** Maximum payload of a frame on a control connection, in bytes. */
  public static final int MAX_CONTROL_PAYLOAD = 4 * 1024;

  /**
   * Maximum payload of a frame on a data connection, in bytes. With its header such a frame fits
   * one TLS record.
   */
  public static final int MAX_DATA_PAYLOAD = 16 * 1024 - FRAME_HEADER_LENGTH;

  /** Maximum of session bytes that the relay sends between START and STARTED. */
  public static final int MAX_EARLY_BYTES = 64 * 1024;

  /** Maximum length of an agent's label in bytes of UTF-8. */
  public static final int MAX_LABEL_LENGTH = 64;

  /** Maximum total length of the typed fields of an AUTH, in bytes. */
  public static final int MAX_AUTH_FIELDS = 512;

  /** Maximum number of outstanding tokens for each agent. */
  public static final int MAX_TOKENS = 256;

  /** Maximum number of requests in one DIAL. */
  public static final int MAX_DIALS_PER_FRAME =
      MAX_CONTROL_PAYLOAD / (Token.LENGTH + Frame.Dial.ACK_LENGTH);

  private RelayProtocol() {}
}
