package io.c2crelay.common.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.channel.ChannelException;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.nio.NioIoHandler;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.ThreadAwareExecutor;
import java.lang.reflect.Proxy;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class FailFastEventLoopGroupTest {
  private final CountDownLatch lost = new CountDownLatch(1);

  @Test
  void shutdownLosesNoLoop() throws Exception {
    EventLoopGroup loops = FailFastEventLoopGroup.of(2, NioIoHandler.newFactory(), lost::countDown);
    loops.submit(() -> {}).get();
    loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).get();
    assertThat(lost.await(200, TimeUnit.MILLISECONDS)).isFalse();
  }

  @Test
  void tasksAfterTerminationAreDiscarded() throws Exception {
    EventLoopGroup loops = FailFastEventLoopGroup.of(2, NioIoHandler.newFactory(), lost::countDown);
    EventExecutor loop = loops.next();
    loop.submit(() -> {}).get();
    loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).get();
    AtomicBoolean ran = new AtomicBoolean();
    loop.execute(() -> ran.set(true));
    loop.<Void>newPromise().setSuccess(null).addListener(done -> ran.set(true));
    assertThat(ran).isFalse();
  }

  @Test
  void unexpectedTerminationIsReported() throws Exception {
    EventLoopGroup loops = FailFastEventLoopGroup.of(1, failingHandlers(), lost::countDown);
    loops.execute(() -> {}); // starts its thread
    assertThat(lost.await(10, TimeUnit.SECONDS)).isTrue();
    loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).get();
  }

  @Test
  void failedCreationLosesNoLoop() throws Exception {
    IoHandlerFactory factory = NioIoHandler.newFactory();
    AtomicInteger created = new AtomicInteger();
    assertThatThrownBy(
            () ->
                FailFastEventLoopGroup.of(
                    2,
                    executor -> {
                      if (created.getAndIncrement() > 0) {
                        throw new ChannelException("Too many open files");
                      }
                      return factory.newHandler(executor);
                    },
                    lost::countDown))
        .hasRootCauseMessage("Too many open files");
    assertThat(lost.await(200, TimeUnit.MILLISECONDS)).isFalse();
  }

  /** Handlers that fail with an Error, here for a missing class. */
  private static IoHandlerFactory failingHandlers() {
    IoHandlerFactory factory = NioIoHandler.newFactory();
    return (ThreadAwareExecutor executor) -> {
      IoHandler delegate = factory.newHandler(executor);
      return (IoHandler)
          Proxy.newProxyInstance(
              IoHandler.class.getClassLoader(),
              new Class<?>[] {IoHandler.class},
              (proxy, method, arguments) -> {
                if (method.getName().equals("run")) {
                  throw new NoClassDefFoundError("io/netty/Example");
                }
                return method.invoke(delegate, arguments);
              });
    };
  }
}
