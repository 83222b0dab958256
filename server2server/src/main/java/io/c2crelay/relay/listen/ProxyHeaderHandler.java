package io.c2crelay.relay.listen;

import io.c2crelay.relay.address.ClientAddress;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.codec.haproxy.HAProxyCommand;
import io.netty.handler.codec.haproxy.HAProxyMessage;
import io.netty.handler.codec.haproxy.HAProxyProxiedProtocol;
import io.netty.handler.codec.haproxy.HAProxyProxiedProtocol.TransportProtocol;
import io.netty.util.NetUtil;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Takes the client's address from the PROXY header (proxy-protocol.txt) that a load balancer sends
 * first, within 3 s. Placed after Netty's decoder; removes itself when the header is read. The
 * handlers that the owner adds then see the connection become active, and all bytes after the
 * header.
 */
final class ProxyHeaderHandler extends ChannelInboundHandlerAdapter {
  static final long TIMEOUT_SECONDS = 3;

  /** Receives the outcome, on the channel's loop. */
  interface Owner {
    /** Add the handlers for the bytes after the header. */
    void accepted(ClientAddress client);

    /** There is no valid header: close the connection. */
    void refused();
  }

  private final ClientAddress loadBalancer;
  private final Owner owner;
  private @Nullable Future<?> timer;
  private boolean done;

  /**
   * @param loadBalancer the addresses of the connection itself
   */
  ProxyHeaderHandler(ClientAddress loadBalancer, Owner owner) {
    this.loadBalancer = loadBalancer;
    this.owner = owner;
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    timer = ctx.executor().schedule(this::refuse, TIMEOUT_SECONDS, TimeUnit.SECONDS);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (done || !(msg instanceof HAProxyMessage)) {
      ReferenceCountUtil.release(msg);
      refuse();
      return;
    }
    HAProxyMessage header = (HAProxyMessage) msg;
    ClientAddress client;
    try {
      client = addressIn(header);
    } finally {
      header.release();
    }
    if (client == null) {
      refuse();
      return;
    }
    end();
    owner.accepted(client);
    ctx.fireChannelActive();
    ctx.pipeline().remove(this);
  }

  /**
   * Returns the client's addresses, or the load balancer's own for health checks (LOCAL) and for
   * UNKNOWN; null if the header is not acceptable.
   */
  private @Nullable ClientAddress addressIn(HAProxyMessage header) {
    HAProxyProxiedProtocol protocol = header.proxiedProtocol();
    if (header.command() == HAProxyCommand.LOCAL || protocol == HAProxyProxiedProtocol.UNKNOWN) {
      return loadBalancer;
    }
    if (protocol.transportProtocol() != TransportProtocol.STREAM) {
      return null;
    }
    InetSocketAddress remote = address(header.sourceAddress(), header.sourcePort());
    InetSocketAddress local = address(header.destinationAddress(), header.destinationPort());
    return remote == null || local == null ? null : ClientAddress.of(remote, local);
  }

  /** Null for the path of a Unix socket. */
  private static @Nullable InetSocketAddress address(@Nullable String text, int port) {
    byte[] bytes = text == null ? null : NetUtil.createByteArrayFromIpAddressString(text);
    try {
      // getByAddress converts an IPv4-mapped address to IPv4
      return bytes == null ? null : new InetSocketAddress(InetAddress.getByAddress(bytes), port);
    } catch (UnknownHostException e) {
      throw new AssertionError(e);
    }
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ChannelInputShutdownEvent) {
      refuse();
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    refuse();
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    end();
  }

  private void refuse() {
    if (!done) {
      end();
      owner.refused();
    }
  }

  private void end() {
    done = true;
    if (timer != null) {
      timer.cancel(false);
    }
  }
}
