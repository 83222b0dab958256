package io.c2crelay.common.protocol;

import org.jspecify.annotations.Nullable;

/**
 * The frame types of docs/protocol.md section 4: code, where they may appear, and how long they may
 * be.
 */
public enum FrameType {
  CHALLENGE(0x01, Place.CONTROL, 33, 33),
  AUTH(
      0x02, Place.CONTROL, 89, 89 + RelayProtocol.MAX_LABEL_LENGTH + RelayProtocol.MAX_AUTH_FIELDS),
  WELCOME(0x03, Place.CONTROL, 33, 33),
  DIAL(0x04, Place.CONTROL, 32, RelayProtocol.MAX_CONTROL_PAYLOAD),
  DIAL_FAILED(0x05, Place.CONTROL, 17, 17),
  PING(0x06, Place.BOTH, 8, 8),
  PONG(0x07, Place.BOTH, 8, 8),
  GOAWAY(0x08, Place.CONTROL, 1, 1),
  TOKEN(0x10, Place.DATA, 16, 16),
  READY(0x11, Place.DATA, 16, 16),
  START(0x12, Place.DATA, 46, 46),
  STARTED(0x13, Place.DATA, 0, 0),
  FAILED(0x14, Place.DATA, 1, 1),
  DATA(0x15, Place.DATA, 0, RelayProtocol.MAX_DATA_PAYLOAD),
  EOF(0x16, Place.DATA, 0, 0),
  RESET(0x17, Place.DATA, 1, 1);

  /** A type with this bit that is not known is skipped; any other unknown type is an error. */
  static final int SKIPPABLE = 0x80;

  /** The connections a frame may appear on. */
  enum Place {
    CONTROL,
    DATA,
    BOTH
  }

  private static final @Nullable FrameType[] BY_CODE = new @Nullable FrameType[0x18];

  static {
    for (FrameType type : values()) {
      BY_CODE[type.code] = type;
    }
  }

  private final int code;
  private final Place place;
  private final int minPayload;
  private final int maxPayload;

  FrameType(int code, Place place, int minPayload, int maxPayload) {
    this.code = code;
    this.place = place;
    this.minPayload = minPayload;
    this.maxPayload = maxPayload;
  }

  /** The code on the wire, 0..255. */
  public int code() {
    return code;
  }

  static @Nullable FrameType of(int code) {
    return code < BY_CODE.length ? BY_CODE[code] : null;
  }

  boolean allowedOn(Place connection) {
    return place == Place.BOTH || place == connection;
  }

  boolean allowsPayload(int length) {
    return length >= minPayload && length <= maxPayload;
  }
}
