package io.c2crelay.agent.connect;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.DefaultEventLoop;
import io.netty.util.concurrent.Future;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(30)
class NameResolverTest {
  private final DefaultEventLoop loop = new DefaultEventLoop();
  private final NameResolver resolver = NameResolver.create();

  @AfterEach
  void stop() {
    loop.shutdownGracefully(200, 1_000, TimeUnit.MILLISECONDS);
  }

  @ParameterizedTest
  @CsvSource({
    "127.0.0.1, 127.0.0.1",
    "192.0.2.7, 192.0.2.7",
    "::1, 0:0:0:0:0:0:0:1",
    "2001:db8::7, 2001:db8:0:0:0:0:0:7",
    "::ffff:192.0.2.7, 192.0.2.7"
  })
  void resolvesLiteralAddress(String host, String address) throws Exception {
    List<InetAddress> resolved = resolver.resolve(host, loop).get();
    assertThat(resolved).extracting(InetAddress::getHostAddress).containsExactly(address);
    assertThat(resolved).isUnmodifiable();
  }

  /** RFC 6761: names under "invalid" do not exist; the name server may answer late. */
  @Test
  void unknownNameFailsWithinTimeout() throws Exception {
    Future<List<InetAddress>> result = resolver.resolve("no-such-host.invalid", loop);
    assertThat(result.await(8, TimeUnit.SECONDS)).as("done").isTrue();
    assertThat(result.cause()).isInstanceOf(UnknownHostException.class);
  }

  @Test
  void completesOnEventLoop() throws Exception {
    CompletableFuture<Boolean> onLoop = new CompletableFuture<>();
    resolver.resolve("127.0.0.1", loop).addListener(done -> onLoop.complete(loop.inEventLoop()));
    assertThat(onLoop.get()).isTrue();
  }
}
