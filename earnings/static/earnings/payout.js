/* Confirms a payout through WeChat's JS-SDK, and waits for what becomes of it. All that it says stands in the page. */
(function () {
  "use strict";

  var LOOK_EVERY = 2000;
  var ASK_EACH = 3; // each third look has the server ask WeChat Pay
  var LOOKS = 20; // the first one asks
  var IDLE_LOOK_EVERY = 5000;
  var IDLE_LOOKS = 60;
  var SDK_WAITS = 10000;
  var NAME = "requestMerchantTransfer";

  var page = document.getElementById("payout");
  var button = document.getElementById("confirm");

  function show(name) {
    document.querySelectorAll("[data-note]").forEach(function (note) {
      note.hidden = note.dataset.note !== name;
    });
  }

  /* Ask how it stands; show the page anew when that is not what it shows, or when it may no longer be read. */
  function look(method) {
    return fetch(page.dataset.stateUrl, { method: method, credentials: "same-origin" }).then(function (answer) {
      return answer.ok ? answer.json() : null;
    }).then(function (answer) {
      if (answer && (answer.code !== 1200 || answer.data.state !== page.dataset.state)) {
        window.location.replace(window.location.pathname);
        return true;
      }
      return false;
    }).catch(function () { return false; });
  }

  function lookOn(left, every, methodOf, done) {
    look(methodOf(left)).then(function (isOver) {
      if (isOver) return;
      if (left <= 1) done();
      else window.setTimeout(function () { lookOn(left - 1, every, methodOf, done); }, every);
    });
  }

  function askNowAndThen(left) {
    return left % ASK_EACH === 2 ? "POST" : "GET";
  }

  function onlyLook() {
    return "GET";
  }

  function waitForOutcome() {
    show("asking");
    lookOn(LOOKS, LOOK_EVERY, askNowAndThen, function () {
      show("later");
      button.disabled = false;
    });
  }

  function confirm() {
    var params = { mchId: page.dataset.mchId, appId: page.dataset.appId, package: page.dataset.package };
    button.disabled = true;
    show("");
    if (!window.WeixinJSBridge) {
      show("sdk");
      button.disabled = false;
      return;
    }
    window.WeixinJSBridge.invoke(NAME, params, function (result) {
      // "ok" says that WeChat showed its page, not that the money was taken: only the server knows.
      if (result.err_msg === NAME + ":ok") {
        waitForOutcome();
        return;
      }
      show(result.err_msg === NAME + ":cancel" ? "cancelled" : "failed");
      button.disabled = false;
      look("GET");
    });
  }

  function prepare() {
    var isAnswered = false;
    function answered(note) {
      isAnswered = true;
      show(note);
    }
    if (!window.wx) {
      show("sdk");
      return;
    }
    window.setTimeout(function () {
      if (!isAnswered) show("sdk");
    }, SDK_WAITS);
    window.wx.ready(function () {
      window.wx.checkJsApi({
        jsApiList: [NAME],
        success: function (result) {
          var isThere = Boolean(result.checkResult && result.checkResult[NAME]);
          answered(isThere ? "" : "old");
          button.disabled = !isThere;
        },
        fail: function () { answered("old"); }
      });
    });
    window.wx.error(function () { answered("config"); });
    window.wx.config({
      appId: page.dataset.appId,
      timestamp: page.dataset.timestamp,
      nonceStr: page.dataset.nonce,
      signature: page.dataset.signature,
      jsApiList: [NAME]
    });
    button.addEventListener("click", confirm);
  }

  function prepareCopy(copy) {
    copy.addEventListener("click", function () {
      var link = document.getElementById("link");
      link.focus();
      link.setSelectionRange(0, link.value.length);
      show(document.execCommand("copy") ? "copied" : "not-copied");
    });
  }

  if (document.getElementById("copy")) prepareCopy(document.getElementById("copy"));
  if (!page) return;
  if (button) prepare();
  if ("isMoving" in page.dataset) {
    lookOn(IDLE_LOOKS, IDLE_LOOK_EVERY, page.dataset.state === "transferring" ? askNowAndThen : onlyLook, function () {});
  }
  document.addEventListener("visibilitychange", function () {
    if (document.visibilityState === "visible") look("GET");
  });
})();
