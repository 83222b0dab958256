package io.c2crelay.agent.data;

import io.c2crelay.common.protocol.Frame;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.handler.codec.haproxy.HAProxyCommand;
import io.netty.handler.codec.haproxy.HAProxyMessage;
import io.netty.handler.codec.haproxy.HAProxyMessageEncoder;
import io.netty.handler.codec.haproxy.HAProxyProtocolVersion;
import io.netty.handler.codec.haproxy.HAProxyProxiedProtocol;
import io.netty.handler.codec.haproxy.HAProxyTLV;
import io.netty.util.NetUtil;
import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The version of HAProxy's PROXY protocol (proxy-protocol.txt) in which a target receives the
 * user's address before the first byte. {@link #OFF} sends no header.
 */
public enum ProxyProtocol {
  OFF(null),
  V1(HAProxyProtocolVersion.V1),
  V2(HAProxyProtocolVersion.V2);

  /** PP2_TYPE_UNIQUE_ID, for which Netty has no constant. */
  private static final byte UNIQUE_ID = 5;

  private final @Nullable HAProxyProtocolVersion version;

  ProxyProtocol(@Nullable HAProxyProtocolVersion version) {
    this.version = version;
  }

  /** Writes the header of a session to a connected target; does nothing if it is off. */
  void writeHeader(Channel target, Frame.Start start) {
    if (version == null) {
      return;
    }
    target.pipeline().addFirst(HAProxyMessageEncoder.INSTANCE);
    target.writeAndFlush(header(version, start));
    target.pipeline().remove(HAProxyMessageEncoder.INSTANCE);
  }

  private static HAProxyMessage header(HAProxyProtocolVersion version, Frame.Start start) {
    InetSocketAddress user = start.user();
    InetSocketAddress relay = start.connectedTo();
    boolean ipv4 =
        user.getAddress() instanceof Inet4Address && relay.getAddress() instanceof Inet4Address;
    return new HAProxyMessage(
        version,
        HAProxyCommand.PROXY,
        ipv4 ? HAProxyProxiedProtocol.TCP4 : HAProxyProxiedProtocol.TCP6,
        text(user.getAddress(), ipv4),
        text(relay.getAddress(), ipv4),
        user.getPort(),
        relay.getPort(),
        version == HAProxyProtocolVersion.V2 ? uniqueId(start) : Collections.emptyList());
  }

  /** An IPv4 address is written as IPv4-mapped if the other address is IPv6. */
  private static String text(InetAddress address, boolean ipv4) {
    boolean mapped = !ipv4 && !(address instanceof Inet6Address);
    return (mapped ? "::ffff:" : "") + NetUtil.toAddressString(address);
  }

  /** The session's id, as in the logs of the relay and the agent. */
  private static List<HAProxyTLV> uniqueId(Frame.Start start) {
    byte[] id = Long.toString(start.sessionId()).getBytes(StandardCharsets.US_ASCII);
    return Collections.singletonList(new HAProxyTLV(UNIQUE_ID, Unpooled.wrappedBuffer(id)));
  }
}
