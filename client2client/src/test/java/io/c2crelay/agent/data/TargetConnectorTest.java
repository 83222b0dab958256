package io.c2crelay.agent.data;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.agent.connect.Dialer;
import io.c2crelay.agent.connect.NameResolver;
import io.c2crelay.agent.connect.Route;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.transport.Transport;
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

  private Future<SocketChannel> connect(String target) throws Exception {
    return new TargetConnector(
            Route.parse(target),
            Duration.ofSeconds(3),
            new Dialer(Transport.best(), NameResolver.create()))
        .connect(loops.next())
        .await();
  }
}
