package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import java.util.List;

/**
 * Decodes {@link Frame}s. A type or payload length that is not allowed on the connection fails it
 * with a {@link ProtocolException} as soon as the header is read. Input after a failure is
 * discarded.
 */
public final class FrameDecoder extends ByteToMessageDecoder {
  private final FrameType.ConnectionKind connection;
  private final int maxPayload;
  private int bytesToSkip;
  private boolean failed;

  private FrameDecoder(FrameType.ConnectionKind connection, int maxPayload) {
    this.connection = connection;
    this.maxPayload = maxPayload;
  }

  public static FrameDecoder ofControl() {
    return new FrameDecoder(FrameType.ConnectionKind.CONTROL, RelayProtocol.MAX_CONTROL_PAYLOAD);
  }

  public static FrameDecoder ofData() {
    return new FrameDecoder(FrameType.ConnectionKind.DATA, RelayProtocol.MAX_DATA_PAYLOAD);
  }

  @Override
  protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) {
    if (failed) {
      in.skipBytes(in.readableBytes());
      return;
    }
    if (bytesToSkip > 0) {
      int skipped = Math.min(bytesToSkip, in.readableBytes());
      in.skipBytes(skipped);
      bytesToSkip -= skipped;
      return;
    }
    if (in.readableBytes() < RelayProtocol.FRAME_HEADER_LENGTH) {
      return;
    }
    int code = in.getUnsignedByte(in.readerIndex());
    int length = in.getUnsignedMedium(in.readerIndex() + 1);
    FrameType type = FrameType.of(code);
    try {
      if (length > maxPayload) {
        throw new ProtocolException(
            "frame 0x" + Integer.toHexString(code) + " is too long: " + length + " bytes");
      }
      if (type == null && (code & FrameType.SKIPPABLE_BIT) != 0) {
        in.skipBytes(RelayProtocol.FRAME_HEADER_LENGTH);
        bytesToSkip = length;
        return;
      }
      if (type == null || !type.allowedOn(connection)) {
        throw new ProtocolException("unexpected frame type 0x" + Integer.toHexString(code));
      }
      if (!type.allowsPayload(length)) {
        throw new ProtocolException(type + ": invalid payload of " + length + " bytes");
      }
      if (in.readableBytes() < RelayProtocol.FRAME_HEADER_LENGTH + length) {
        return;
      }
      in.skipBytes(RelayProtocol.FRAME_HEADER_LENGTH);
      out.add(read(type, in.readSlice(length)));
    } catch (ProtocolException e) {
      failed = true;
      in.skipBytes(in.readableBytes());
      throw e;
    }
  }

  @Override
  protected void decodeLast(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) {
    decode(ctx, in, out);
    if ((in.isReadable() && out.isEmpty()) || bytesToSkip > 0) {
      throw new ProtocolException("connection closed within a frame");
    }
  }

  private static Frame read(FrameType type, ByteBuf payload) {
    switch (type) {
      case CHALLENGE:
        return Frame.Challenge.read(payload);
      case AUTH:
        return Frame.Auth.read(payload);
      case WELCOME:
        return Frame.Welcome.read(payload);
      case DIAL:
        return Frame.Dial.read(payload);
      case DIAL_FAILED:
        return Frame.DialFailed.read(payload);
      case PING:
        return Frame.Ping.of(payload.readLong());
      case PONG:
        return Frame.Pong.of(payload.readLong());
      case GOAWAY:
        return Frame.GoAway.of(ReasonCode.of(payload.readUnsignedByte()));
      case CLAIM:
        return Frame.Claim.of(Token.read(payload));
      case READY:
        return Frame.Ready.of(Token.read(payload));
      case START:
        return Frame.Start.read(payload);
      case STARTED:
        return Frame.Started.INSTANCE;
      case FAILED:
        return Frame.Failed.of(ReasonCode.of(payload.readUnsignedByte()));
      case DATA:
        return Frame.Data.of(payload.retain());
      case EOF:
        return Frame.Eof.INSTANCE;
      case RESET:
        return Frame.Reset.of(ReasonCode.of(payload.readUnsignedByte()));
      case DONE:
        return Frame.Done.of(payload.readLong());
    }
    throw new AssertionError(type);
  }
}
