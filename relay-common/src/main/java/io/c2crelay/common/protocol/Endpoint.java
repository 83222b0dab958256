package io.c2crelay.common.protocol;

import io.netty.buffer.ByteBuf;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.Arrays;

/**
 * Codec of an address and port in START: family u8 (4 or 6), 16 bytes of address (IPv4 uses the
 * first four, the rest is zero), port u16. An IPv4-mapped IPv6 address is read as IPv4.
 */
final class Endpoint {
  static final int LENGTH = 1 + 16 + 2;

  private static final int IPV4 = 4;
  private static final int IPV6 = 6;

  private Endpoint() {}

  static void write(ByteBuf out, InetSocketAddress endpoint) {
    byte[] address = endpoint.getAddress().getAddress();
    out.writeByte(endpoint.getAddress() instanceof Inet4Address ? IPV4 : IPV6);
    out.writeBytes(Arrays.copyOf(address, 16));
    out.writeShort(endpoint.getPort());
  }

  static InetSocketAddress read(ByteBuf in) {
    int family = in.readUnsignedByte();
    byte[] address = Frame.Base.readBytes(in, 16);
    int port = in.readUnsignedShort();
    if (family != IPV4 && family != IPV6) {
      throw new ProtocolException("START: unknown address family " + family);
    }
    try {
      // getByAddress converts an IPv4-mapped address to IPv4
      InetAddress ip =
          InetAddress.getByAddress(family == IPV4 ? Arrays.copyOf(address, 4) : address);
      return new InetSocketAddress(ip, port);
    } catch (UnknownHostException e) {
      throw new AssertionError(e);
    }
  }
}
