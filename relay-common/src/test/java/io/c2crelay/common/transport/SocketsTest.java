package io.c2crelay.common.transport;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.handler.codec.DecoderException;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.net.ssl.SSLException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@Timeout(30)
class SocketsTest {
  private static final IOException TOO_MANY_FILES = new IOException("Too many open files");

  static Stream<Arguments> causes() {
    return Stream.of(
        Arguments.of(null, "-"),
        Arguments.of(
            new ConnectException("connect(..) failed with error(-111): Connection refused"),
            "\"Connection refused\""),
        Arguments.of(new ChannelException("alone"), "alone"),
        Arguments.of(new ClosedChannelException(), "\"connection closed\""),
        Arguments.of(
            new ChannelException("wrapped", new InvocationTargetException(TOO_MANY_FILES)),
            "\"Too many open files\""),
        Arguments.of(
            new IllegalStateException("failed to create a child event loop", TOO_MANY_FILES),
            "\"Too many open files\""),
        Arguments.of(new IOException("outer", TOO_MANY_FILES), "outer"),
        Arguments.of(new SocketTimeoutException(), "\"socket timeout\""),
        Arguments.of(new UnknownHostException("relay.example"), "\"unknown host relay.example\""));
  }

  @ParameterizedTest
  @MethodSource("causes")
  void describesCauseBySystemMessage(Throwable cause, String text) {
    assertThat(Sockets.describe(cause)).isEqualTo(text);
  }

  /** As Netty reports a reset during a TLS handshake. */
  @Test
  void rootOfATlsWriteFailureIsTheIoException() {
    IOException reset = new IOException("Connection reset by peer");
    SSLException tls = new SSLException("failure when writing TLS control frames", reset);
    assertThat(Sockets.rootOf(new DecoderException(tls))).isSameAs(reset);
    assertThat(Sockets.rootOf(new SSLException("bad record"))).isInstanceOf(SSLException.class);
  }

  @Test
  void socketFailureCompletesOnTheLoop() throws Exception {
    EventLoopGroup loops = Transport.best().newEventLoops(1);
    try {
      EventLoop loop = loops.next();
      Bootstrap bootstrap =
          new Bootstrap()
              .group(loop)
              .channelFactory(
                  () -> {
                    throw new ChannelException(TOO_MANY_FILES);
                  })
              .handler(new ChannelInboundHandlerAdapter());
      CompletableFuture<Boolean> onLoop = new CompletableFuture<>();
      Future<Channel> connected =
          Sockets.connect(bootstrap, new InetSocketAddress("127.0.0.1", 1), loop)
              .addListener(done -> onLoop.complete(loop.inEventLoop()));
      assertThat(onLoop.get(10, TimeUnit.SECONDS)).isTrue();
      assertThat(connected.cause()).isInstanceOf(ChannelException.class);
    } finally {
      loops.shutdownGracefully(0, 1_000, TimeUnit.MILLISECONDS);
    }
  }
}
