package io.c2crelay.common.protocol;

import org.jspecify.annotations.Nullable;

/**
 * The frame types of docs/protocol.md section 4: code, connection kind and bounds of the payload
 * length.
 */
public enum FrameType {
  CHALLENGE(0x01, ConnectionKind.CONTROL, 33, 33),
  AUTH(
      0x02,
      ConnectionKind.CONTROL,
      90,
      90 + ServiceName.MAX_LENGTH + RelayProtocol.MAX_LABEL_LENGTH + RelayProtocol.MAX_AUTH_FIELDS),
  WELCOME(0x03, ConnectionKind.CONTROL, 33, 33),
  DIAL(0x04, ConnectionKind.CONTROL, 32, RelayProtocol.MAX_CONTROL_PAYLOAD),
  DIAL_FAILED(0x05, ConnectionKind.CONTROL, 17, 17),
  PING(0x06, ConnectionKind.BOTH, 8, 8),
  PONG(0x07, ConnectionKind.BOTH, 8, 8),
  GOAWAY(0x08, ConnectionKind.CONTROL, 1, 1),
  CLAIM(0x10, ConnectionKind.DATA, 16, 16),
  READY(0x11, ConnectionKind.DATA, 16, 16),
  START(0x12, ConnectionKind.DATA, 46, 46),
  STARTED(0x13, ConnectionKind.DATA, 0, 0),
  FAILED(0x14, ConnectionKind.DATA, 1, 1),
  DATA(0x15, ConnectionKind.DATA, 0, RelayProtocol.MAX_DATA_PAYLOAD),
  EOF(0x16, ConnectionKind.DATA, 0, 0),
  RESET(0x17, ConnectionKind.DATA, 1, 1),
  DONE(0x18, ConnectionKind.DATA, 8, 8);

  /** The decoder skips unknown types that have this bit and rejects all others. */
  static final int SKIPPABLE_BIT = 0x80;

  enum ConnectionKind {
    CONTROL,
    DATA,
    BOTH
  }

  private static final @Nullable FrameType[] BY_CODE = new @Nullable FrameType[0x19];

  static {
    for (FrameType type : values()) {
      BY_CODE[type.code] = type;
    }
  }

  private final int code;
  private final ConnectionKind kind;
  private final int minPayload;
  private final int maxPayload;

  FrameType(int code, ConnectionKind kind, int minPayload, int maxPayload) {
    this.code = code;
    this.kind = kind;
    this.minPayload = minPayload;
    this.maxPayload = maxPayload;
  }

  /** The type byte on the wire, 0..255. */
  public int code() {
    return code;
  }

  static @Nullable FrameType of(int code) {
    return code < BY_CODE.length ? BY_CODE[code] : null;
  }

  boolean allowedOn(ConnectionKind connection) {
    return kind == ConnectionKind.BOTH || kind == connection;
  }

  boolean allowsPayload(int length) {
    return length >= minPayload && length <= maxPayload;
  }
}
