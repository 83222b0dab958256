package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;

/**
 * Frames of all types and their encodings by docs/protocol.md section 4. A change here is a change
 * of the wire format.
 */
final class GoldenFrames {
  private static final String NONCE =
      "202122232425262728292a2b2c2d2e2f 303132333435363738393a3b3c3d3e3f";
  private static final String PROOF =
      "404142434445464748494a4b4c4d4e4f 505152535455565758595a5b5c5d5e5f";
  private static final String INSTANCE = "606162636465666768696a6b6c6d6e6f";
  private static final String TOKEN = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
  private static final String ACK = "000102030405060708090a0b0c0d0e0f";

  /** A frame, the connections that allow it, and its encoding. */
  record Golden(String name, FrameType.ConnectionKind kind, Frame frame, String hex) {
    FrameType type() {
      return frame.type();
    }

    @Override
    public String toString() {
      return name;
    }
  }

  private GoldenFrames() {}

  /** Returns all frames. The buffers of DATA need no release. */
  static Stream<Golden> all() {
    return Stream.of(
        control("CHALLENGE", Frame.Challenge.of(1, Hex.array(NONCE)), "01 000021 01" + NONCE),
        control(
            "AUTH",
            auth(7, "lab"),
            "02 00005d" + NONCE + INSTANCE + "0000000000000007 00 03 6c6162" + PROOF),
        control(
            "AUTH without a label",
            auth(1, ""),
            "02 00005a" + NONCE + INSTANCE + "0000000000000001 00 00" + PROOF),
        control(
            "AUTH of the highest epoch, a label beyond ASCII",
            auth(-1, "ü鍵"),
            "02 00005f" + NONCE + INSTANCE + "ffffffffffffffff 00 05 c3bc e98db5" + PROOF),
        control(
            "AUTH for a service",
            auth(7, ServiceName.parse("--service", "ssh-1"), "lab").withProof(Hex.array(PROOF)),
            "02 000062" + NONCE + INSTANCE + "0000000000000007 05 7373682d31 03 6c6162" + PROOF),
        control(
            "AUTH with the digest of a target",
            auth(7, ServiceName.DEFAULT, "lab")
                .withTargetDigest(Hex.array("d1d2d3"))
                .withProof(Hex.array(PROOF)),
            "02 000062" + NONCE + INSTANCE + "0000000000000007 00 03 6c6162 01 03 d1d2d3" + PROOF),
        control("WELCOME", Frame.Welcome.of(Hex.array(PROOF), 0), "03 000021" + PROOF + "00"),
        control(
            "WELCOME for plain data",
            Frame.Welcome.of(Hex.array(PROOF), 1),
            "03 000021" + PROOF + "01"),
        control("DIAL", Frame.Dial.of(List.of(dialRequest(TOKEN, ACK))), "04 000020" + TOKEN + ACK),
        control(
            "DIAL of two",
            Frame.Dial.of(List.of(dialRequest(TOKEN, ACK), dialRequest(ACK, INSTANCE))),
            "04 000040" + TOKEN + ACK + ACK + INSTANCE),
        control(
            "DIAL_FAILED",
            Frame.DialFailed.of(token(TOKEN), ReasonCode.AGENT_LOST),
            "05 000011" + TOKEN + "0d"),
        both("PING", Frame.Ping.of(0x0102030405060708L), "06 000008 0102030405060708"),
        both("PONG", Frame.Pong.of(0xfedcba9876543210L), "07 000008 fedcba9876543210"),
        control("GOAWAY", Frame.GoAway.of(ReasonCode.DRAINING), "08 000001 09"),
        data("CLAIM", Frame.Claim.of(token(TOKEN)), "10 000010" + TOKEN),
        data("READY", Frame.Ready.of(token(ACK)), "11 000010" + ACK),
        data(
            "START of IPv4",
            Frame.Start.of(
                0x1122334455667788L, endpoint("c0000207", 0xfffe), endpoint("cb007101", 4000)),
            "12 00002e 1122334455667788"
                + "04 c0000207 000000000000000000000000 fffe"
                + "04 cb007101 000000000000000000000000 0fa0"),
        data(
            "START of IPv6",
            Frame.Start.of(
                1,
                endpoint("20010db8000000000000000000000001", 1),
                endpoint("fe80000000000000aabbccfffeddeeff", 65535)),
            "12 00002e 0000000000000001"
                + "06 20010db8000000000000000000000001 0001"
                + "06 fe80000000000000aabbccfffeddeeff ffff"),
        data("STARTED", Frame.Started.INSTANCE, "13 000000"),
        data("FAILED", Frame.Failed.of(ReasonCode.TARGET_REFUSED), "14 000001 01"),
        data("DATA", Frame.Data.of(ascii("hello")), "15 000005 68656c6c6f"),
        data("DATA without bytes", Frame.Data.of(ascii("")), "15 000000"),
        data("EOF", Frame.Eof.INSTANCE, "16 000000"),
        data("RESET", Frame.Reset.of(ReasonCode.USER_GONE), "17 000001 06"),
        data("DONE", Frame.Done.of(0x1122334455667788L), "18 000008 1122334455667788"));
  }

  static Token token(String hex) {
    return Token.read(Hex.bytes(hex));
  }

  static InetSocketAddress endpoint(String address, int port) {
    try {
      return new InetSocketAddress(InetAddress.getByAddress(Hex.array(address)), port);
    } catch (UnknownHostException e) {
      throw new AssertionError(e);
    }
  }

  private static Frame auth(long epoch, String label) {
    return auth(epoch, ServiceName.DEFAULT, label).withProof(Hex.array(PROOF));
  }

  private static Frame.Auth auth(long epoch, ServiceName service, String label) {
    InstanceId instance = InstanceId.read(Hex.bytes(INSTANCE));
    return Frame.Auth.of(Hex.array(NONCE), instance, epoch, service, label);
  }

  private static Frame.Dial.DialRequest dialRequest(String token, String ack) {
    return Frame.Dial.DialRequest.of(token(token), token(ack));
  }

  private static ByteBuf ascii(String text) {
    return Unpooled.copiedBuffer(text, StandardCharsets.US_ASCII);
  }

  private static Golden control(String name, Frame frame, String hex) {
    return new Golden(name, FrameType.ConnectionKind.CONTROL, frame, Hex.plain(hex));
  }

  private static Golden data(String name, Frame frame, String hex) {
    return new Golden(name, FrameType.ConnectionKind.DATA, frame, Hex.plain(hex));
  }

  private static Golden both(String name, Frame frame, String hex) {
    return new Golden(name, FrameType.ConnectionKind.BOTH, frame, Hex.plain(hex));
  }
}
