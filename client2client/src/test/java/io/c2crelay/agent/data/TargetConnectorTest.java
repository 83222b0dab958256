package io.c2crelay.agent.data;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.c2crelay.agent.connect.Dialer;
import io.c2crelay.agent.connect.NameResolver;
import io.c2crelay.agent.connect.Route;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.transport.Transport;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelException;
import io.netty.channel.ConnectTimeoutException;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.NoRouteToHostException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@Timeout(30)
class TargetConnectorTest {
  private final EventLoopGroup loops = Transport.best().newEventLoops(1);

  @AfterEach
  void stop() {
    loops.shutdownGracefully(200, 1_000, TimeUnit.MILLISECONDS);
  }

  static Stream<Arguments> causes() {
    return Stream.of(
        cause(new ConnectTimeoutException("any"), ReasonCode.TARGET_TIMEOUT),
        cause(new ConnectException("Connection refused"), ReasonCode.TARGET_REFUSED),
        cause(
            new ConnectException(
                "finishConnect(..) failed with error(-111): Verbindung abgelehnt: a/127.0.0.1:1"),
            ReasonCode.TARGET_REFUSED),
        cause(
            new ConnectException(
                "finishConnect(..) failed with error(-104): Connection reset: refused/127.0.0.1:1"),
            ReasonCode.TARGET_UNREACHABLE),
        cause(
            new ConnectException("connect(..) failed with error(-101): Network is unreachable"),
            ReasonCode.TARGET_UNREACHABLE),
        cause(new ConnectException("Verbindung abgelehnt"), ReasonCode.TARGET_REFUSED),
        cause(new NoRouteToHostException("No route to host"), ReasonCode.TARGET_UNREACHABLE),
        cause(new UnknownHostException("refused"), ReasonCode.TARGET_UNREACHABLE),
        cause(new SocketException("Network is unreachable"), ReasonCode.TARGET_UNREACHABLE),
        cause(new IOException("any"), ReasonCode.TARGET_UNREACHABLE),
        cause(new ChannelException("no socket"), ReasonCode.LIMIT),
        cause(null, ReasonCode.TARGET_UNREACHABLE));
  }

  private static Arguments cause(Throwable cause, ReasonCode reason) {
    return Arguments.of(cause, reason);
  }

  @ParameterizedTest
  @MethodSource("causes")
  void mapsCauseToReason(Throwable cause, ReasonCode reason) {
    assertThat(TargetConnector.reasonOf(cause)).isSameAs(reason);
  }

  @Test
  void closedPortIsRefused() throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, NetUtil.LOCALHOST4)) {
      port = free.getLocalPort();
    }
    Future<SocketChannel> dialled = connect("127.0.0.1:" + port);
    assertThat(TargetConnector.reasonOf(dialled.cause())).isSameAs(ReasonCode.TARGET_REFUSED);
  }

  @Test
  void connectsToLoopbackWithoutAutoRead() throws Exception {
    try (ServerSocket target = new ServerSocket(0, 1, NetUtil.LOCALHOST4)) {
      SocketChannel channel = connect(Integer.toString(target.getLocalPort())).getNow();
      assertThat(channel.remoteAddress())
          .isEqualTo(new InetSocketAddress(NetUtil.LOCALHOST4, target.getLocalPort()));
      assertThat(channel.config().isAutoRead()).isFalse();
      assertThat(channel.config().isAllowHalfClosure()).isTrue();
      channel.close().sync();
    }
  }

  @Test
  void unknownNameIsUnreachable() throws Exception {
    Future<SocketChannel> dialled = connect("no-such-host.invalid:80");
    assertThat(TargetConnector.reasonOf(dialled.cause())).isSameAs(ReasonCode.TARGET_UNREACHABLE);
  }

  static Stream<Arguments> headers() {
    InetSocketAddress ipv4 = address("192.0.2.7", 50_000);
    InetSocketAddress relay = address("198.51.100.1", 4000);
    InetSocketAddress ipv6 = address("2001:db8::7", 50_000);
    return Stream.of(
        arguments(ProxyProtocol.OFF, ipv4, relay, ""),
        arguments(
            ProxyProtocol.V1, ipv4, relay, "PROXY TCP4 192.0.2.7 198.51.100.1 50000 4000\r\n"),
        arguments(
            ProxyProtocol.V1,
            ipv6,
            address("2001:db8::1", 4000),
            "PROXY TCP6 2001:db8::7 2001:db8::1 50000 4000\r\n"),
        arguments(
            ProxyProtocol.V1,
            ipv6,
            relay,
            "PROXY TCP6 2001:db8::7 ::ffff:198.51.100.1 50000 4000\r\n"),
        // signature, version and command, family, length; addresses and ports; TLV 5: "77"
        arguments(
            ProxyProtocol.V2,
            ipv4,
            relay,
            "\r\n\r\n\0\r\nQUIT\n\u0021\u0011\0\u0011"
                + "\u00C0\0\u0002\7\u00C6\u0033\u0064\1\u00C3\u0050\u000F\u00A0"
                + "\5\0\u0002\u0037\u0037"));
  }

  /** The header precedes everything, also where the target speaks first. */
  @ParameterizedTest
  @MethodSource("headers")
  void targetIsToldTheUsersAddress(
      ProxyProtocol version, InetSocketAddress user, InetSocketAddress relay, String header)
      throws Exception {
    try (ServerSocket target = new ServerSocket(0, 1, NetUtil.LOCALHOST4)) {
      Forward forward = forward(Integer.toString(target.getLocalPort())).with(version);
      SocketChannel channel = connect(forward, Frame.Start.of(77, user, relay)).getNow();
      Socket accepted = target.accept();
      channel.writeAndFlush(Unpooled.copiedBuffer("bytes", ISO_8859_1)).sync();
      assertThat(new String(accepted.getInputStream().readNBytes(header.length() + 5), ISO_8859_1))
          .isEqualTo(header + "bytes");
      channel.close().sync();
    }
  }

  private static InetSocketAddress address(String host, int port) {
    return new InetSocketAddress(NetUtil.createInetAddressFromIpAddressString(host), port);
  }

  private static Forward forward(String target) {
    return Forward.of(ServiceName.DEFAULT, Route.parse(target), SharedKey.of("any"));
  }

  private Future<SocketChannel> connect(String target) throws Exception {
    InetSocketAddress any = address("192.0.2.7", 1);
    return connect(forward(target), Frame.Start.of(1, any, any));
  }

  private Future<SocketChannel> connect(Forward forward, Frame.Start start) throws Exception {
    Dialer dialer = Dialer.direct(Transport.best(), NameResolver.create());
    return new TargetConnector(forward, Duration.ofSeconds(3), false, dialer)
        .connect(loops.next(), start)
        .await();
  }
}
