/* Confirms a payout through WeChat's JS-SDK and polls for the outcome. All texts are in the page. */
(function () {
  "use strict";

  var POLL_MS = 2000;
  var QUERY_EVERY = 3; // every third poll makes the server query WeChat Pay
  var POLLS = 20; // the first one queries
  var IDLE_POLL_MS = 5000;
  var IDLE_POLLS = 60;
  var SDK_TIMEOUT_MS = 10000;
  var NAME = "requestMerchantTransfer";

  var page = document.getElementById("payout");
  var button = document.getElementById("confirm");

  function show(name) {
    document.querySelectorAll("[data-note]").forEach(function (note) {
      note.hidden = note.dataset.note !== name;
    });
  }

  /* Request the state; reload the page when the state has changed or the access has ended. */
  function poll(method) {
    return fetch(page.dataset.stateUrl, { method: method, credentials: "same-origin" }).then(function (response) {
      return response.ok ? response.json() : null;
    }).then(function (body) {
      if (body && (body.code !== 1200 || body.data.state !== page.dataset.state)) {
        window.location.replace(window.location.pathname);
        return true;
      }
      return false;
    }).catch(function () { return false; });
  }

  function pollRepeatedly(left, every, methodOf, done) {
    poll(methodOf(left)).then(function (isReloading) {
      if (isReloading) return;
      if (left <= 1) done();
      else window.setTimeout(function () { pollRepeatedly(left - 1, every, methodOf, done); }, every);
    });
  }

  function querySometimes(left) {
    return left % QUERY_EVERY === 2 ? "POST" : "GET";
  }

  function onlyRead() {
    return "GET";
  }

  function waitForOutcome() {
    show("asking");
    pollRepeatedly(POLLS, POLL_MS, querySometimes, function () {
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
      // "ok" means that WeChat showed its page, not that the money was received: only the server knows.
      if (result.err_msg === NAME + ":ok") {
        waitForOutcome();
        return;
      }
      show(result.err_msg === NAME + ":cancel" ? "cancelled" : "failed");
      button.disabled = false;
      poll("GET");
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
    }, SDK_TIMEOUT_MS);
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
    var methodOf = page.dataset.state === "transferring" ? querySometimes : onlyRead;
    pollRepeatedly(IDLE_POLLS, IDLE_POLL_MS, methodOf, function () {});
  }
  document.addEventListener("visibilitychange", function () {
    if (document.visibilityState === "visible") poll("GET");
  });
})();
